/** Delta schemas and row values, as the Parquet layer makes them. */
export {
  type DataType,
  type PrimitiveName,
  type Row,
  type StructField,
  type StructType,
  type Value,
  Variant,
  type VariantJson,
} from '../parquet/value-type.ts';
