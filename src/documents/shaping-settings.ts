/** The one list of settings that decide what documents look like and where they go; all others may change freely. */
import type { TableConfiguration } from '../config/sync-configuration.ts';

/**
 * The shaping settings of a table together with its target: the container as configured, or its key as it is. Hashes over
 * this object stand in checkpoints, so names and their order change only together with a migration of those.
 */
export function shapingSettings(table: TableConfiguration, target: unknown): Readonly<Record<string, unknown>> {
  return {
    id: table.id,
    partitionKey: table.partitionKey,
    columns: table.columns,
    constants: table.constants,
    discriminator: table.discriminator,
    nulls: table.nulls,
    types: table.types,
    idEscaping: table.idEscaping,
    where: table.where,
    softDelete: table.softDelete,
    sourceVersion: table.sourceVersion,
    mode: table.mode,
    target,
    generationField: table.publish.kind === 'versionFlag' ? table.publish.field : undefined,
  };
}
