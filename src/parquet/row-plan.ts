import { damaged, unsupported, type FilePlace } from './file-fault.ts';
import type { FileField } from './file-schema.ts';
import type { ValueConversion } from './plain-values.ts';
import type { SourceOf } from './row-request.ts';
import { describeType, valueConversion } from './value-conversion.ts';
import type { DataType, StructField, Value } from './value-type.ts';

/** A column chunk to read in every row group. */
export interface LeafPlan {
  readonly place: FilePlace;
  readonly leaf: FileField;
  /** Undefined when only its levels are wanted, to know which structs are null. */
  readonly conversion: ValueConversion | undefined;
}

/** How a value is put together from leaves. Levels are those of the file's schema. */
export type ReadNode =
  /** `witness` tells how many there are where that is not known otherwise. */
  | { readonly kind: 'constant'; readonly value: Value; readonly witness?: ReadNode }
  /** The levels of a leaf seen from a group above it, at that group's repetition level. */
  | { readonly kind: 'witness'; readonly leaf: number; readonly repetition: number }
  /** `leaf` is an index into the plan's leaves. */
  | { readonly kind: 'leaf'; readonly leaf: number }
  | {
      readonly kind: 'struct';
      readonly names: readonly string[];
      readonly fields: readonly ReadNode[];
      /** Null below this definition level. */
      readonly definition: number;
      /** Tells which structs are null when no field is in the file. */
      readonly witness: ReadNode | undefined;
    }
  | { readonly kind: 'list'; readonly element: ReadNode; readonly levels: ListLevels }
  | { readonly kind: 'map'; readonly key: ReadNode; readonly value: ReadNode; readonly levels: ListLevels }
  | {
      readonly kind: 'variant';
      readonly metadata: ReadNode;
      readonly value: ReadNode;
      readonly definition: number;
      readonly place: FilePlace;
    };

export interface ListLevels {
  /** Below it the list is null. */
  readonly definition: number;
  /** Below it the list is empty. */
  readonly entry: number;
  /** Repetition level of its elements. */
  readonly repetition: number;
}

export interface RowPlan {
  readonly leaves: readonly LeafPlan[];
  /** Always a struct: the row. */
  readonly row: Extract<ReadNode, { kind: 'struct' }>;
}

const byName: SourceOf = (field) => ({ kind: 'name', name: field.name });

/** Matches the wanted columns with a file's schema. Columns that the file lacks are null. */
export function planRows(
  file: string,
  root: FileField,
  columns: readonly StructField[],
  sourceOf: SourceOf = byName,
): RowPlan {
  const planner = new Planner(file, sourceOf);
  const row = planner.struct(root, columns, false);
  return { leaves: planner.leaves, row };
}

class Planner {
  readonly leaves: LeafPlan[] = [];
  private readonly file: string;
  private readonly sourceOf: SourceOf;

  constructor(file: string, sourceOf: SourceOf) {
    this.file = file;
    this.sourceOf = sourceOf;
  }

  struct(
    group: FileField,
    fields: readonly StructField[],
    needsWitness: boolean,
  ): Extract<ReadNode, { kind: 'struct' }> {
    const names = fields.map((field) => field.name);
    if (new Set(names).size !== names.length) throw unsupported(this.at(group), 'asking for two fields of one name');
    const nodes = fields.map((field): ReadNode => {
      const source = this.sourceOf(field);
      if (source.kind === 'constant') return source;
      const stored = source.kind === 'id' ? this.fieldById(group, source.id) : this.fieldByName(group, source.name);
      return stored === undefined ? { kind: 'constant', value: null } : this.node(stored, field.type);
    });
    const witness = needsWitness && nodes.every((node) => node.kind === 'constant') ? this.witness(group) : undefined;
    return { kind: 'struct', names, fields: nodes, definition: group.definitionLevel, witness };
  }

  private fieldById(group: FileField, id: number): FileField | undefined {
    return this.only(
      group,
      group.children.filter((child) => child.fieldId === id),
      `field id ${id}`,
    );
  }

  private fieldByName(group: FileField, name: string): FileField | undefined {
    const exact = group.children.filter((child) => child.name === name);
    if (exact.length > 0) return this.only(group, exact, `name ${name}`);
    const folded = name.toLowerCase();
    const similar = group.children.filter((child) => child.name.toLowerCase() === folded);
    return this.only(group, similar, `name ${name} in any case`);
  }

  private only(group: FileField, found: readonly FileField[], what: string): FileField | undefined {
    if (found.length > 1) throw unsupported(this.at(group), `a schema with two fields of the ${what}`);
    return found[0];
  }

  private node(field: FileField, type: DataType): ReadNode {
    // Writers mark a column that holds nothing but nulls with the logical type UNKNOWN, whatever its physical type.
    if ((type.kind === 'primitive' && type.name === 'void') || field.annotation.kind === 'null') {
      return { kind: 'constant', value: null };
    }
    if (field.repetition === 'REPEATED' && type.kind !== 'map') return this.bareList(field, type);
    if (type.kind === 'array') return this.list(field, type.element);
    if (type.kind === 'map') return this.map(field, type.key, type.value);
    if (type.kind === 'struct') {
      const isGroup =
        field.physical === undefined && field.annotation.kind !== 'list' && field.annotation.kind !== 'map';
      if (isGroup) return this.struct(field, type.fields, true);
    } else if (type.kind === 'primitive' && type.name === 'variant') {
      return this.variant(field);
    } else if (field.physical !== undefined) {
      return this.leaf(field, valueConversion(this.at(field), field, type));
    }
    throw unsupported(this.at(field), `reading ${describeField(field)} as ${describeType(type)}`);
  }

  private leaf(field: FileField, conversion: ValueConversion): ReadNode {
    this.leaves.push({ place: this.at(field), leaf: field, conversion });
    return { kind: 'leaf', leaf: this.leaves.length - 1 };
  }

  /** A repeated field outside any list group is a list that is never null, of elements that are never null. */
  private bareList(field: FileField, type: DataType): ReadNode {
    if (type.kind !== 'array') {
      throw unsupported(this.at(field), `reading a repeated field as ${describeType(type)}`);
    }
    return this.listOf(field, field.definitionLevel - 1, this.node(once(field), type.element));
  }

  private list(field: FileField, element: DataType): ReadNode {
    const [repeated, ...more] = field.children;
    const { kind } = field.annotation;
    if (repeated?.repetition !== 'REPEATED' || more.length > 0 || (kind !== 'list' && kind !== 'none')) {
      throw unsupported(this.at(field), `reading ${describeField(field)} as array`);
    }
    const item = listElement(field, repeated, element);
    return this.listOf(repeated, field.definitionLevel, this.node(item, element));
  }

  private listOf(repeated: FileField, definition: number, element: ReadNode): ReadNode {
    const levels = { definition, entry: repeated.definitionLevel, repetition: repeated.repetitionLevel };
    // Elements without a value in the file (void) still have a number.
    return {
      kind: 'list',
      element: element.kind === 'constant' ? { ...element, witness: this.witness(repeated) } : element,
      levels,
    };
  }

  private map(field: FileField, key: DataType, value: DataType): ReadNode {
    const [repeated, ...more] = field.children;
    const [keyField, valueField] = repeated?.children ?? [];
    const isMap = field.annotation.kind === 'map' || field.annotation.kind === 'none';
    if (repeated?.repetition !== 'REPEATED' || more.length > 0 || keyField === undefined || !isMap) {
      throw unsupported(this.at(field), `reading ${describeField(field)} as map`);
    }
    if (repeated.children.length > 2) throw unsupported(this.at(field), 'a map with more than keys and values');
    const levels = {
      definition: field.definitionLevel,
      entry: repeated.definitionLevel,
      repetition: repeated.repetitionLevel,
    };
    const keyNode = this.node(keyField, key);
    if (keyNode.kind === 'constant') throw unsupported(this.at(field), `a map with keys of type ${describeType(key)}`);
    const valueNode: ReadNode =
      valueField === undefined ? { kind: 'constant', value: null } : this.node(valueField, value);
    return { kind: 'map', key: keyNode, value: valueNode, levels };
  }

  private variant(field: FileField): ReadNode {
    const child = (name: string): FileField | undefined =>
      this.only(
        field,
        field.children.filter((one) => one.name === name),
        `name ${name}`,
      );
    const metadata = child('metadata');
    const value = child('value');
    if (child('typed_value') !== undefined) throw unsupported(this.at(field), 'a shredded variant');
    if (metadata?.physical !== 'BYTE_ARRAY' || value?.physical !== 'BYTE_ARRAY') {
      throw unsupported(this.at(field), `reading ${describeField(field)} as variant`);
    }
    const binary: DataType = { kind: 'primitive', name: 'binary' };
    return {
      kind: 'variant',
      metadata: this.node(metadata, binary),
      value: this.node(value, binary),
      definition: field.definitionLevel,
      place: this.at(field),
    };
  }

  /** The levels of some leaf below a group. */
  private witness(group: FileField): ReadNode {
    let field: FileField | undefined = group;
    while (field !== undefined && field.physical === undefined) field = field.children[0];
    if (field === undefined) throw damaged(this.at(group), 'a group has no columns');
    this.leaves.push({ place: this.at(field), leaf: field, conversion: undefined });
    return { kind: 'witness', leaf: this.leaves.length - 1, repetition: group.repetitionLevel };
  }

  private at(field: FileField): FilePlace {
    return field.path.length === 0 ? { file: this.file } : { file: this.file, column: field.path.join('.') };
  }
}

/** The element itself where the repeated field stands for it. */
function once(field: FileField): FileField {
  return { ...field, repetition: 'REQUIRED' };
}

/**
 * The element of a list: the repeated field itself in the two-level forms of old writers, else its only child. The
 * rules are the format's (LogicalTypes.md, "Backward-compatibility rules"); the wanted type decides where they leave
 * it open.
 */
function listElement(list: FileField, repeated: FileField, element: DataType): FileField {
  if (repeated.physical !== undefined) return once(repeated);
  const [only, ...more] = repeated.children;
  if (only === undefined || more.length > 0 || only.repetition === 'REPEATED') return once(repeated);
  const named = repeated.name === 'array' || repeated.name === `${list.name}_tuple`;
  if (!named || element.kind !== 'struct') return only;
  // "array" may also be a plain name of the middle level: then the only child has the fields, not the wanted name.
  const wanted = element.fields.some((field) => field.name.toLowerCase() === only.name.toLowerCase());
  return wanted || only.physical !== undefined ? once(repeated) : only;
}

function describeField(field: FileField): string {
  return field.physical ?? `a group of ${field.children.length} columns`;
}
