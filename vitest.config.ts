import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    // Safety nets only: nothing asserts on speed.
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
