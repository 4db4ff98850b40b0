/** What this reader supports (PROTOCOL.md, "Protocol Evolution", "Table Features"): everything else is refused by name. */
import { SyncError } from '../shared/errors.ts';
import type { Metadata, Protocol } from './actions.ts';
import { assertMapped, columnMappingMode } from './column-mapping.ts';
import { assertKnownTypeChanges } from './type-widening.ts';

const SUPPORTED: ReadonlySet<string> = new Set([
  'columnMapping',
  'deletionVectors',
  'timestampNtz',
  'v2Checkpoint',
  'typeWidening',
  'typeWidening-preview',
  'vacuumProtocolCheck',
  'variantType',
  'variantType-preview',
]);

const CATALOG_MANAGED: ReadonlySet<string> = new Set(['catalogManaged', 'catalogOwned', 'catalogOwned-preview']);

/** Throws `unsupportedFeature` or `catalogManaged` unless a table version with this protocol and metadata can be read. */
export function assertReadable(protocol: Protocol, metadata: Metadata): void {
  assertProtocol(protocol);
  assertMapped(metadata.schema, columnMappingMode(metadata, protocol));
  assertKnownTypeChanges(metadata.schema);
}

/** The part of the gate that needs no metadata. */
export function assertProtocol(protocol: Protocol): void {
  const owned = protocol.readerFeatures.find((feature) => CATALOG_MANAGED.has(feature));
  if (owned !== undefined) {
    throw new SyncError('catalogManaged', {
      problem: `The table has the reader feature ${owned}: it is catalog-managed.`,
      reason:
        'Only its catalog knows the latest version and which commits are ratified, so file system access is not supported.',
      remedy: 'Read it through its catalog (Unity Catalog), or drop the feature.',
    });
  }
  if (protocol.minReaderVersion < 1 || protocol.minReaderVersion > 3) {
    throw new SyncError('unsupportedFeature', {
      problem: `minReaderVersion ${protocol.minReaderVersion} is not supported.`,
      reason: 'This reader knows versions 1 to 3.',
    });
  }
  const unknown = protocol.readerFeatures.filter((feature) => !SUPPORTED.has(feature));
  if (unknown.length === 0) return;
  const names = unknown.slice(0, 20).map((name) => name.slice(0, 100));
  throw new SyncError('unsupportedFeature', {
    problem: `The reader feature${unknown.length === 1 ? '' : 's'} ${names.join(', ')} ${unknown.length === 1 ? 'is' : 'are'} not supported.`,
    reason: 'Reading the table without them could give wrong rows.',
  });
}
