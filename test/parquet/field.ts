/** Fields and types, in short. */
import type { DataType, StructField } from '../../src/parquet/value-type.ts';

export const field = (name: string, type: DataType): StructField => ({ name, type, nullable: true, metadata: {} });

export function primitive(name: Extract<DataType, { kind: 'primitive' }>['name']): DataType {
  return { kind: 'primitive', name };
}
