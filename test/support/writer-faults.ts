/** What the service, the network or a stale replica may do to a batch writer. */
import type { FaultAction } from '../../src/local/cosmos-emulator/emulator.ts';
import type { Random } from './random.ts';
import type { Spoiler, SpoiltKind } from './spoiling-proxy.ts';
import {
  ANSWERED_TWICE,
  BROKEN_ANSWERS,
  BROKEN_RANGES,
  ODD_FRACTIONS,
  ODD_RESULTS,
  REFUSALS,
  STRANGE_ANSWERS,
  UNREADABLE_RESULTS,
} from './spoilt-answers.ts';

/** A fault of a whole batch. `late`: a request may land after its sender gave it up. */
export function requestFault(random: Random, late: boolean): FaultAction {
  return random.pick<() => FaultAction>([
    () => ({ kind: 'answer', status: 429, substatus: random.pick([3200, 3212]), retryAfterMs: random.int(0, 300) }),
    () => ({ kind: 'answer', status: 410, substatus: random.pick([1000, 1002, 1007, 1008]) }),
    () => ({ kind: 'answer', status: random.pick([449, 503, 500, 408]) }),
    () => ({ kind: 'answer', status: random.pick([503, 500, 408]), applied: true }),
    () => ({ kind: 'answer', status: random.pick([400, 413]) }),
    () => ({ kind: 'answer', status: 403, substatus: random.pick([3, 1008]) }),
    () => ({ kind: 'answer', status: 404, substatus: 1002 }),
    () => ({ kind: 'reset', when: 'before' }),
    () => ({ kind: 'reset', when: 'after' }),
    () => ({ kind: 'truncate' }),
    () => ({ kind: 'truncate', bytes: 0 }),
    () => ({ kind: 'delay', ms: random.int(1, 400) }),
    () => ({ kind: 'delay', ms: random.int(1, 400), before: true }),
    // Longer than the request waits: the answer is lost, and with `before` the request lands after its repetition.
    () => ({ kind: 'delay', ms: 12_000, before: late }),
  ])();
}

/** A fault of single operations in a batch. */
export function operationFault(random: Random): FaultAction {
  return random.pick<() => FaultAction>([
    () => ({ kind: 'answer', status: 429, substatus: 3200, retryAfterMs: random.int(0, 200) }),
    () => ({ kind: 'answer', status: 449 }),
    () => ({ kind: 'answer', status: random.pick([408, 503, 500]) }),
    () => ({ kind: 'answer', status: 408, applied: true }),
    () => ({ kind: 'answer', status: 410, substatus: 1002 }),
    () => ({ kind: 'answer', status: random.pick([400, 413]) }),
    () => ({ kind: 'answer', status: 403, substatus: 1014 }),
    () => ({ kind: 'reset', when: random.pick(['before', 'after']) }),
  ])();
}

/** A fault of reading the partition key ranges. */
export function rangesFault(random: Random): FaultAction {
  return random.pick<() => FaultAction>([
    () => ({ kind: 'staleRanges' }),
    () => ({ kind: 'answer', status: random.pick([429, 503, 408, 500]) }),
    () => ({ kind: 'reset', when: 'before' }),
    () => ({ kind: 'truncate' }),
  ])();
}

const ANYWHERE = [...BROKEN_ANSWERS, ...STRANGE_ANSWERS, ANSWERED_TWICE];
const SPOILERS: Readonly<Record<SpoiltKind, readonly Spoiler[]>> = {
  batch: [...ANYWHERE, ...UNREADABLE_RESULTS, ...ODD_RESULTS, ...REFUSALS],
  ranges: [...ANYWHERE, ...BROKEN_RANGES, ODD_FRACTIONS],
  container: ANYWHERE,
};

/** What happens to an answer between service and writer: to that of a batch after `skip` others, or of what tells about the container. */
export function wireFault(
  random: Random,
  skip: number,
): { readonly kind: SpoiltKind; readonly spoiler: Spoiler; readonly skip: number } {
  const kind = random.pick<SpoiltKind>(['batch', 'batch', 'batch', 'ranges', 'container']);
  return { kind, spoiler: random.pick(SPOILERS[kind]), skip: kind === 'batch' ? skip : 0 };
}
