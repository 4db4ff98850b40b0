import { describe, expect, it } from 'vitest';
import { runCampaign } from '../support/writer-campaign.ts';

describe('the batch writer under random faults', () => {
  // Long campaigns: `node test/chaos/writer.ts --seed S --runs N`, which also repeats a seed that failed here.
  it(
    'reports every operation once and truthfully, leaves what it reported, and never hangs',
    { timeout: 600_000 },
    async () => {
      const { failures, operations, ambiguous } = await runCampaign(7_000, 200);
      expect(failures).toEqual([]);
      // The faults did strike.
      expect(operations).toBeGreaterThan(30_000);
      expect(ambiguous).toBeGreaterThan(500);
    },
  );
});
