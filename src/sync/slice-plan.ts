/** What every slice of a plan needs: header, mapping, table layout. Read once per process and plan. */
import { tableLayout, type TableLayout } from '../delta/file-rows.ts';
import { compileMapping, type Mapping } from '../documents/mapping.ts';
import type { TargetInfo } from './document-writer.ts';
import { readPlan, type PlanHeader } from './plan.ts';
import type { SyncDependencies, SyncTarget } from './sync-target.ts';
import { readContext, type TableContext } from './table-context.ts';

export interface SlicePlan {
  readonly target: SyncTarget;
  readonly header: PlanHeader;
  readonly context: TableContext;
  readonly layout: TableLayout;
  /** Not to be used from two rows at once; every slice gets its own. */
  readonly mapping: Mapping;
  readonly info: TargetInfo;
}

/** Throws `planDamaged`, and what compiling the mapping throws. */
export async function loadSlicePlan(
  deps: SyncDependencies,
  tableId: string,
  planId: string,
  signal: AbortSignal,
): Promise<SlicePlan> {
  const target = await deps.target(tableId);
  const header = await readPlan(deps.plans, target.id, planId, signal);
  const [context, info] = await Promise.all([
    readContext(deps.plans, header.context, signal),
    target.writer.describe(signal),
  ]);
  return {
    target,
    header,
    context,
    layout: tableLayout(context.metadata, context.protocol),
    mapping: compileContext(context, info),
    info,
  };
}

/** The mapping of a context for the container as it is. Throws `columnUnknown`, `mappingInvalid`. */
export function compileContext(context: TableContext, info: TargetInfo): Mapping {
  return compileMapping({
    table: context.table,
    schema: context.metadata.schema,
    target: {
      partitionKeyPaths: info.partitionKeyPaths,
      kind: info.partitionKeyKind,
      version: info.partitionKeyVersion,
    },
  });
}
