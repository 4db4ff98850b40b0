/** Calls orchestrator functions and reads what they answer. */
import type { FunctionOf } from '../function-definition.ts';
import { parseJson } from '../json.ts';
import type { FunctionRunner } from '../worker-pool.ts';
import { describeExit } from '../worker-channel.ts';
import { resultText } from './activity-runner.ts';
import { orchestratorInput } from './episode.ts';
import type { Episode } from './episode.ts';
import { readOrchestratorFailure, readOrchestratorResult } from './orchestrator-result.ts';
import type { OrchestratorResult } from './orchestrator-result.ts';

/** What an orchestrator function answered. */
export type OrchestratorAnswer =
  | { readonly kind: 'answered'; readonly result: OrchestratorResult }
  /** The function is unknown, or answered something this host cannot use. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** Its worker died or took too long: it may run again. */
  | { readonly kind: 'crashed'; readonly reason: string };

/** Runs orchestrator functions by name. */
export class OrchestratorRunner {
  readonly #runner: FunctionRunner;
  readonly #functions: ReadonlyMap<string, FunctionOf<'orchestration'>>;

  constructor(runner: FunctionRunner, functions: readonly FunctionOf<'orchestration'>[]) {
    this.#runner = runner;
    this.#functions = new Map(functions.map((each) => [each.name.toLowerCase(), each]));
  }

  /** Runs one episode. Never rejects. */
  async run(episode: Episode): Promise<OrchestratorAnswer> {
    const name = episode.instance.started.Name;
    const definition = this.#functions.get(name.toLowerCase());
    if (definition === undefined) {
      return {
        kind: 'failed',
        reason: `The function '${name}' doesn't exist, is disabled, or is not an orchestrator.`,
      };
    }
    const outcome = await this.#runner.call({
      functionName: definition.name,
      inputData: [{ name: definition.triggerBinding, data: { string: orchestratorInput(episode) } }],
      triggerMetadata: { instanceId: { string: episode.instanceId } },
      retryContext: null,
    });
    try {
      switch (outcome.kind) {
        case 'succeeded': {
          const text = resultText(outcome.returnValue);
          return { kind: 'answered', result: readOrchestratorResult(text === null ? undefined : parseJson(text)) };
        }
        case 'failed': {
          const result = readOrchestratorFailure(outcome.message);
          return result === undefined ? { kind: 'failed', reason: outcome.message } : { kind: 'answered', result };
        }
        case 'timedOut':
          return { kind: 'crashed', reason: `The orchestrator took longer than ${outcome.timeoutMilliseconds} ms.` };
        case 'workerExited':
          return { kind: 'crashed', reason: `The worker ended (${describeExit(outcome.exit)}).` };
        case 'stopped':
          return { kind: 'crashed', reason: 'The host is stopping.' };
      }
    } catch (error) {
      return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
    }
  }
}
