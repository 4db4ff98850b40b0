/**
 * The context of a plan and of a checkpoint: the table's metadata and the mapping configuration the documents were made
 * with. Stored as a blob named by its hash, so that many epochs share one.
 */
import { createHash } from 'node:crypto';
import type { PlanStore } from '../changes/plan-store.ts';
import type { TableConfiguration } from '../config/sync-configuration.ts';
import type { Metadata, Protocol } from '../delta/actions.ts';
import { shapingSettings } from '../documents/shaping-settings.ts';
import { parseJson, stringifyJson } from '../shared/json.ts';

export interface TableContext {
  readonly metadata: Metadata;
  readonly protocol: Protocol;
  readonly table: TableConfiguration;
}

/** Hash of the shaping settings: a change is noticed without compiling the mapping. */
export function configurationHash(table: TableConfiguration): string {
  return sha256(stringifyJson(shapingSettings(table, table.target))).slice(0, 16);
}

export function contextName(target: string, context: TableContext): string {
  return `contexts/${target}/${sha256(stringifyJson(context)).slice(0, 16)}.json`;
}

/** Writes the context and returns its name. */
export async function writeContext(
  store: PlanStore,
  target: string,
  context: TableContext,
  signal?: AbortSignal,
): Promise<string> {
  const name = contextName(target, context);
  await store.write(name, new TextEncoder().encode(stringifyJson(context)), signal);
  return name;
}

/** Throws `storageNotFound`. */
export async function readContext(store: PlanStore, name: string, signal?: AbortSignal): Promise<TableContext> {
  return parseJson(new TextDecoder().decode(await store.read(name, undefined, signal))) as unknown as TableContext;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
