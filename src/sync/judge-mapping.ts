/** What a change of the table's schema means for the documents that a container holds already. Pure. */
import type { TableConfiguration } from '../config/sync-configuration.ts';
import { keepsExistingDocuments } from '../documents/mapping.ts';
import type { EpochFacts } from './choose-epoch.ts';
import type { TargetInfo } from './document-writer.ts';
import { driftIn, ignoredColumns, judgeDrift, schemaDrift } from './schema-drift.ts';
import { compileContext } from './slice-plan.ts';
import type { TableContext } from './table-context.ts';

export interface JudgedMapping {
  readonly change: EpochFacts['mappingChange'];
  /** What the next epoch maps with: the configuration, less the columns that `schemaDrift` ignores. */
  readonly context: TableContext;
}

/**
 * Compares what the documents were made with and what the configuration makes of the head, under settings that have not
 * changed. A policy speaks of every column that documents are made of, before or after; whether documents have to be
 * rewritten is a second question. Throws as `compileMapping`.
 */
export function judgeMapping(before: TableContext, configured: TableContext, info: TargetInfo): JudgedMapping {
  const policy = configured.table.schemaDrift;
  const drift = schemaDrift(before.metadata, configured.metadata);
  const added = [...drift.added, ...ignoredColumns(before, configured)];
  const ignores = policy.added === 'ignore';
  const context = ignores ? without(configured, added) : configured;
  const old = compileContext(before, info);
  const mapping = compileContext(context, info);
  const judged = driftIn({ ...drift, added: ignores ? [] : added }, new Set([...old.columns, ...mapping.columns]));
  const verdict = judgeDrift(judged, policy);
  if (verdict === 'pause') return { change: 'schemaPaused', context };
  if (verdict === 'ignore' || keepsExistingDocuments(old.form, mapping.form)) return { change: 'none', context };
  return { change: 'schemaAccepted', context };
}

/** The context with columns left out; where only listed columns are included they are left out anyway. */
function without(context: TableContext, ignored: readonly string[]): TableContext {
  const { include, exclude = [] } = context.table.columns;
  if (include !== undefined || ignored.length === 0) return context;
  const columns: TableConfiguration['columns'] = { ...context.table.columns, exclude: [...exclude, ...ignored] };
  return { ...context, table: { ...context.table, columns } };
}
