/** The SDK's client, for what is not a mirrored document: state documents, leases, pointers. */
import { CosmosClient } from '@azure/cosmos';
import { isLoopback, type CosmosAccount } from './cosmos-account.ts';

/**
 * A client on the account's sockets and identity. Writes go to one region only; call `dispose()` when done. Its
 * `executeBulkOperations` must not be used (notes in README.md).
 */
export function createCosmosClient(account: CosmosAccount): CosmosClient {
  return new CosmosClient({
    endpoint: account.endpoint.href,
    ...account.identity,
    // The SDK allows plain http only on its own agent.
    ...(account.endpoint.protocol === 'https:' ? { agent: account.agent } : {}),
    userAgentSuffix: 'delta-cosmos-sync',
    connectionPolicy: {
      // Writers in two regions would let an older state win.
      useMultipleWriteLocations: false,
      // An emulator may call itself something that only it can reach.
      enableEndpointDiscovery: !isLoopback(account.endpoint),
      requestTimeout: 10_000,
    },
  });
}
