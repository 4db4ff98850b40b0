/**
 * A worker: a plain Node process that loads the app and runs its functions. Started by the host with an IPC channel;
 * ends when that channel closes, so a killed host leaves no workers behind.
 */
import { format } from 'node:util';
import { loadAppEntry } from './app-entry.ts';
import { CoreModule } from './core-module.ts';
import type { FunctionCallback } from './core-module.ts';
import type { HostToWorker, Invocation, InvocationOutcome, TypedData, WorkerToHost } from './worker-protocol.ts';

const appHookData = {};
let core: CoreModule | undefined;

function send(message: WorkerToHost): void {
  // When the channel is gone the host is gone, and the disconnect handler is about to end this process.
  if (process.connected) process.send?.(message);
}

function sendLog(level: string, message: string, invocationId?: string): void {
  send({ kind: 'log', level, message, ...(invocationId === undefined ? {} : { invocationId }) });
}

async function load(appFolder: string, hostVersion: string): Promise<void> {
  core = new CoreModule(hostVersion, (level, _category, message) => sendLog(level, message));
  core.install();
  try {
    await loadAppEntry(appFolder);
    await core.runHooks('appStart', { hookData: {}, appHookData, functionAppDirectory: appFolder });
    const capabilities = await core.model?.getCapabilities?.({});
    if (capabilities?.['HttpUri'] !== undefined) {
      throw new Error('The app enables HTTP streaming (app.setup), which this host does not offer.');
    }
    core.close();
    // Registered metadata is plain data; a trip through JSON drops anything that could not cross the channel.
    const functions = [...core.functions.values()].map((loaded) => loaded.metadata);
    send({ kind: 'loaded', functions: JSON.parse(JSON.stringify(functions)) as typeof functions });
  } catch (error) {
    send({ kind: 'loadFailed', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}

async function run(invocation: Invocation): Promise<InvocationOutcome> {
  const loaded = core?.functions.get(invocation.functionName);
  const model = core?.model;
  if (core === undefined || loaded === undefined || model === undefined) {
    throw new Error(`Function "${invocation.functionName}" is not registered in this worker.`);
  }
  const { metadata } = loaded;
  const invocationModel = await model.getInvocationModel({
    invocationId: invocation.invocationId,
    request: {
      invocationId: invocation.invocationId,
      functionId: metadata.name,
      inputData: invocation.inputData,
      triggerMetadata: invocation.triggerMetadata,
      traceContext: { attributes: {}, traceParent: '', traceState: '' },
      retryContext: invocation.retryContext,
    },
    metadata: { ...metadata, functionId: metadata.name },
    get state() {
      return undefined;
    },
    log: (level: string, _category: string, ...args: unknown[]) =>
      sendLog(level, format(...args), invocation.invocationId),
  });
  const { context, inputs } = await invocationModel.getArguments();
  const hookContext: {
    inputs: unknown[];
    functionCallback: FunctionCallback;
    hookData: object;
    appHookData: object;
    invocationContext: unknown;
  } = { hookData: {}, appHookData, invocationContext: context, functionCallback: loaded.callback, inputs };
  await core.runHooks('preInvocation', hookContext);
  const after: { result: unknown; error: unknown; inputs: unknown[]; [key: string]: unknown } = {
    hookData: hookContext.hookData,
    appHookData,
    invocationContext: context,
    inputs: hookContext.inputs,
    result: null,
    error: null,
  };
  try {
    after.result = await invocationModel.invokeFunction(context, hookContext.inputs, hookContext.functionCallback);
  } catch (error) {
    after.error = error ?? new Error('The function threw nothing.');
  }
  await core.runHooks('postInvocation', after);
  if (after.error !== null && after.error !== undefined) throw after.error;
  const response = await invocationModel.getResponse(context, after.result);
  return {
    kind: 'succeeded',
    returnValue: (response.returnValue ?? null) as TypedData | null,
    outputData: (response.outputData ?? []).map(({ name, data }) => ({
      name,
      data: (data ?? null) as TypedData | null,
    })),
  };
}

async function invoke(invocation: Invocation): Promise<void> {
  let outcome: InvocationOutcome;
  try {
    outcome = await run(invocation);
  } catch (error) {
    outcome =
      error instanceof Error
        ? { kind: 'failed', message: error.message, stack: error.stack ?? '' }
        : { kind: 'failed', message: format(error), stack: '' };
  }
  send({ kind: 'outcome', invocationId: invocation.invocationId, outcome });
}

async function terminate(): Promise<void> {
  await core?.runHooks('appTerminate', { hookData: {}, appHookData });
  process.exit(0);
}

process.on('message', (message: HostToWorker) => {
  if (message.kind === 'load') void load(message.appFolder, message.hostVersion);
  else if (message.kind === 'invoke') void invoke(message.invocation);
  else void terminate();
});
process.once('disconnect', () => process.exit(0));
// The host decides when a worker ends: Ctrl-C in a terminal reaches the whole process group.
process.on('SIGINT', () => undefined);
