/** Addresses of the Durable HTTP management API, as clients get them. */

/** What the addresses are made of. */
export interface ManagementAddress {
  /** `http://host:port` */
  readonly origin: string;
  readonly hubName: string;
  readonly systemKey: string;
}

const BASE_PATH = '/runtime/webhooks/durabletask';

/** The management URLs of an instance. `rewind` is offered by the client binding only, as recorded. */
export function managementUrls(
  address: ManagementAddress,
  instanceId: string,
  withRewind: boolean,
): Readonly<Record<string, string>> {
  const query = managementQuery(address);
  const instance = `${address.origin}${BASE_PATH}/instances/${encodeURIComponent(instanceId)}`;
  return {
    id: instanceId,
    statusQueryGetUri: `${instance}?${query}`,
    sendEventPostUri: `${instance}/raiseEvent/{eventName}?${query}`,
    terminatePostUri: `${instance}/terminate?reason={text}&${query}`,
    ...(withRewind ? { rewindPostUri: `${instance}/rewind?reason={text}&${query}` } : {}),
    purgeHistoryDeleteUri: `${instance}?${query}`,
    restartPostUri: `${instance}/restart?${query}`,
    suspendPostUri: `${instance}/suspend?reason={text}&${query}`,
    resumePostUri: `${instance}/resume?reason={text}&${query}`,
  };
}

/** The text of a durableClient input binding. `rpcBaseUrl` serves the SDK's own calls. */
export function durableClientText(address: ManagementAddress): string {
  const base = `${address.origin}${BASE_PATH}`;
  const create = `${base}/orchestrators/{functionName}[/{instanceId}]`;
  const code = `code=${address.systemKey}`;
  return JSON.stringify({
    taskHubName: address.hubName,
    connectionName: null,
    creationUrls: {
      createNewInstancePostUri: `${create}?${code}`,
      createAndWaitOnNewInstancePostUri: `${create}?timeout={timeoutInSeconds}&pollingInterval={intervalInSeconds}&${code}`,
    },
    managementUrls: managementUrls(address, 'INSTANCEID', true),
    baseUrl: base,
    requiredQueryStringParameters: code,
    rpcBaseUrl: `${address.origin}/durabletask/`,
    httpBaseUrl: null,
    maxGrpcMessageSizeInBytes: null,
    grpcHttpClientTimeout: null,
  });
}

function managementQuery(address: ManagementAddress): string {
  return `taskHub=${encodeURIComponent(address.hubName)}&connection=Storage&code=${address.systemKey}`;
}
