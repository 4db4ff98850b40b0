import { describe, expect, it } from 'vitest';
import { budgetRuPerSecond, resourceManagerThroughput } from '../../src/cosmos/throughput-source.ts';
import type { ResourceManagerGet } from '../../src/cosmos/resource-manager.ts';

const signal = new AbortController().signal;
const source = (ruPerSecond: number | null) => ({ read: () => Promise.resolve(ruPerSecond) });

/** Answers of Azure Resource Manager, in the form its reference shows, by the end of the path. */
const RECORDED = {
  manual: {
    status: 200,
    body: '{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.DocumentDB/databaseAccounts/a/sqlDatabases/d/containers/c/throughputSettings/default","type":"Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/throughputSettings","name":"default","properties":{"resource":{"throughput":4000,"minimumThroughput":"400","offerReplacePending":"false","softAllowedMaximumThroughput":"1000000","instantMaximumThroughput":"10000"}}}',
  },
  autoscale: {
    status: 200,
    body: '{"name":"default","properties":{"resource":{"throughput":800,"autoscaleSettings":{"maxThroughput":8000,"targetMaxThroughput":0},"minimumThroughput":"8000"}}}',
  },
  absent: { status: 404, body: '{"code":"NotFound","message":"Message: {\\"code\\":\\"NotFound\\"}"}' },
  serverless: {
    status: 400,
    body: '{"code":"BadRequest","message":"Reading or replacing offers is not supported for serverless accounts."}',
  },
  forbidden: {
    status: 403,
    body: '{"error":{"code":"AuthorizationFailed","message":"The client does not have authorization"}}',
  },
  broken: { status: 200, body: '<html>' },
  empty: { status: 200, body: '{"properties":{"resource":{"throughput":"many"}}}' },
} as const;

interface Asked {
  readonly url: string;
  readonly authorization: string | undefined;
}

function resourceManager(
  answers: readonly { readonly status: number; readonly body: string }[],
  endpoint = 'https://management.azure.com/',
) {
  const asked: Asked[] = [];
  const get: ResourceManagerGet = (url, headers) => {
    asked.push({ url: url.href, authorization: headers['authorization'] });
    return Promise.resolve(answers[asked.length - 1] ?? { status: 500, body: '' });
  };
  const credential = {
    getToken: (scope: string | string[]) =>
      Promise.resolve({ token: `token-for-${String(scope)}`, expiresOnTimestamp: Number.MAX_SAFE_INTEGER }),
  };
  const account = { endpoint, subscriptionId: 's', resourceGroup: 'g', account: 'a', credential };
  return { asked, source: resourceManagerThroughput(account, 'shop', 'pro ducts', get) };
}

describe('budget in RU/s', () => {
  it('takes an absolute figure as it is and asks nobody', async () => {
    const asks = { read: () => Promise.reject(new Error('asked')) };
    expect(await budgetRuPerSecond({ ruPerSecond: 900 }, asks, signal)).toBe(900);
    expect(await budgetRuPerSecond({ share: 0.3, containerRuPerSecond: 10_000 }, asks, signal)).toBe(3000);
  });

  it('takes a share of what the source tells', async () => {
    expect(await budgetRuPerSecond({ share: 0.25 }, source(40_000), signal)).toBe(10_000);
    expect(await budgetRuPerSecond({ share: 1 }, source(400), signal)).toBe(400);
  });

  it.each([0, -0.1, 1.0001, Number.NaN, Number.POSITIVE_INFINITY])('refuses the share %s', async (share) => {
    await expect(budgetRuPerSecond({ share }, source(1000), signal)).rejects.toMatchObject({ code: 'budgetInvalid' });
  });

  it('refuses figures that contradict each other or say nothing', async () => {
    for (const figures of [
      {},
      { share: 0.5, ruPerSecond: 100 },
      { ruPerSecond: 0 },
      { share: 0.5, containerRuPerSecond: -1 },
    ]) {
      await expect(budgetRuPerSecond(figures, source(1000), signal)).rejects.toMatchObject({ code: 'budgetInvalid' });
    }
  });

  it('refuses a share of a serverless or unknown container, naming the remedy', async () => {
    for (const none of [source(null), undefined]) {
      await expect(budgetRuPerSecond({ share: 0.3 }, none, signal)).rejects.toMatchObject({
        code: 'ruPerSecondUnknown',
        retryable: false,
        remedy: 'Set ruPerSecond in the budget, or containerRuPerSecond beside share.',
      });
    }
  });
});

describe('RU/s from Azure Resource Manager', () => {
  it('reads the manual throughput of the container with a management token', async () => {
    const { asked, source } = resourceManager([RECORDED.manual]);
    expect(await source.read(signal)).toBe(4000);
    expect(asked).toEqual([
      {
        url: 'https://management.azure.com/subscriptions/s/resourceGroups/g/providers/Microsoft.DocumentDB/databaseAccounts/a/sqlDatabases/shop/containers/pro%20ducts/throughputSettings/default?api-version=2024-11-15',
        authorization: 'Bearer token-for-https://management.azure.com/.default',
      },
    ]);
  });

  it('asks the Resource Manager of another cloud, with a token for that one', async () => {
    const { asked, source } = resourceManager([RECORDED.manual], 'https://management.example.us');
    expect(await source.read(signal)).toBe(4000);
    expect(asked[0]?.url).toMatch(/^https:\/\/management\.example\.us\/subscriptions\/s\//);
    expect(asked[0]?.authorization).toBe('Bearer token-for-https://management.example.us/.default');
  });

  it('takes the maximum under autoscale', async () => {
    expect(await resourceManager([RECORDED.autoscale]).source.read(signal)).toBe(8000);
  });

  it('asks the database when the container shares its throughput', async () => {
    const { asked, source } = resourceManager([RECORDED.absent, RECORDED.manual]);
    expect(await source.read(signal)).toBe(4000);
    expect(asked[1]?.url).toContain('/sqlDatabases/shop/throughputSettings/default');
  });

  it('finds nothing on a serverless account', async () => {
    expect(await resourceManager([RECORDED.serverless]).source.read(signal)).toBeNull();
    expect(await resourceManager([RECORDED.absent, RECORDED.absent]).source.read(signal)).toBeNull();
  });

  it.each([
    ['a missing role', RECORDED.forbidden, false],
    ['an outage', { status: 503, body: '' }, true],
    ['an answer that is not JSON', RECORDED.broken, false],
    ['an answer without a figure', RECORDED.empty, false],
  ])('reports %s', async (_name, answer, retryable) => {
    await expect(resourceManager([answer]).source.read(signal)).rejects.toMatchObject({
      code: 'ruPerSecondUnknown',
      retryable,
    });
  });
});
