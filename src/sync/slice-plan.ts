/** What every slice of a plan needs: header, mapping, table layout. Read once per process and plan. */
import { tableLayout, type TableLayout } from '../delta/file-rows.ts';
import { compileMapping, type Mapping } from '../documents/mapping.ts';
import { SyncError } from '../shared/errors.ts';
import type { TargetInfo } from './document-writer.ts';
import { readPlan, type PlanHeader } from './plan.ts';
import type { Slot } from './publication-state.ts';
import { atSlot, type SyncDependencies, type SyncTarget } from './sync-target.ts';
import { readContext, type TableContext } from './table-context.ts';

export interface SlicePlan {
  readonly target: SyncTarget;
  readonly header: PlanHeader;
  readonly context: TableContext;
  readonly layout: TableLayout;
  /** Not to be used from two rows at once; every slice gets its own. */
  readonly mapping: Mapping;
  /** How the rows of `former` sources are read. */
  readonly former: Pick<SlicePlan, 'layout' | 'mapping'> | null;
  readonly info: TargetInfo;
}

/** Throws `planDamaged`, `targetReplaced`, and what compiling the mapping throws. */
export async function loadSlicePlan(
  deps: SyncDependencies,
  tableId: string,
  planId: string,
  signal: AbortSignal,
): Promise<SlicePlan> {
  const table = await deps.target(tableId);
  const header = await readPlan(deps.plans, table.id, planId, signal);
  const target = atSlot(table, header.slot);
  const [context, former, info] = await Promise.all([
    readContext(deps.plans, header.context, signal),
    header.former === undefined ? null : readContext(deps.plans, header.former, signal),
    target.writer.describe(signal),
  ]);
  // A clean-up has the checkpoint of what is read, not of what it deletes.
  if (header.kind !== 'cleanup' && info.rid !== header.result.containerRid) {
    throw new SyncError('targetReplaced', {
      problem: `The container of ${tableId} was created again while an epoch was under way.`,
      reason: `Its id at the service was ${header.result.containerRid} and is ${info.rid}.`,
    });
  }
  return {
    target,
    header,
    context,
    layout: tableLayout(context.metadata, context.protocol),
    mapping: compileContext(context, info, header.slot),
    former:
      former === null
        ? null
        : { layout: tableLayout(former.metadata, former.protocol), mapping: compileContext(former, info) },
    info,
  };
}

/** The mapping of a context for the container as it is; identities are those of the slot. Throws `columnUnknown`, `mappingInvalid`. */
export function compileContext(context: TableContext, info: TargetInfo, slot: Slot | null = null): Mapping {
  return compileMapping({
    table: context.table,
    schema: context.metadata.schema,
    target: {
      partitionKeyPaths: info.partitionKeyPaths,
      kind: info.partitionKeyKind,
      version: info.partitionKeyVersion,
    },
    ...(slot?.generation == null ? {} : { generation: slot.generation.value }),
  });
}
