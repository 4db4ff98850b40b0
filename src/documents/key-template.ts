/**
 * Keys made of columns: `${a}`, or `${a}|${b}` with text around. Different values always give different keys: every
 * part but the last has `%` and the first character of the text that follows it written as %XX, so a key can be taken
 * apart from left to right.
 */
import type { DataType, Row, StructType, Value } from '../delta/schema.ts';
import { SyncError } from '../shared/errors.ts';
import { nearestName } from '../config/nearest-name.ts';
import { sevenDigits } from './time-encoding.ts';
import type { RowFaults } from './rejection.ts';

/** A template taken apart: texts.length is columns.length + 1, and texts stand around the columns. */
export interface KeyTemplate {
  readonly text: string;
  readonly columns: readonly string[];
  readonly texts: readonly string[];
}

/** Takes a template apart. Inside `${…}` a backslash makes `}` or `\` part of the name. Throws `mappingInvalid`. */
export function parseKeyTemplate(text: string, setting: string): KeyTemplate {
  const columns: string[] = [];
  const texts: string[] = [];
  let at = 0;
  for (const match of text.matchAll(/\$\{((?:[^\\}]|\\.)+)\}/g)) {
    texts.push(text.slice(at, match.index));
    columns.push((match[1] ?? '').replaceAll(/\\(.)/g, '$1'));
    at = match.index + match[0].length;
  }
  texts.push(text.slice(at));
  const fail = (reason: string, remedy: string): never => {
    throw new SyncError('mappingInvalid', {
      problem: `${setting}: ${JSON.stringify(text)} is no key.`,
      reason,
      remedy,
    });
  };
  if (columns.length === 0)
    fail('Every row would get the same one.', 'Name a column with a unique value: "${column}".');
  if (texts.some((part) => part.includes('${'))) fail('A ${ has no }, or names nothing.', 'Write "${column}".');
  for (const separator of texts.slice(1, -1)) {
    if (separator === '') fail('Two columns follow each other.', 'Put text between them: "${a}|${b}".');
    // Escapes are made of these, so a part could not be told from what follows it.
    if (/^[%0-9A-F]/.test(separator))
      fail('The text after a column begins with %, 0-9 or A-F.', 'Begin it with | or -.');
  }
  return { text, columns, texts };
}

/** The template that `columns` joined by `|` stand for. */
export function keyTemplateOf(columns: readonly string[]): string {
  return columns.map((name) => `\${${name.replaceAll(/[\\}]/g, '\\$&')}}`).join('|');
}

/** Text of the key of a row; notes `keyNull` and other faults. */
export type KeyText = (row: Row, faults: RowFaults) => string;

/**
 * Compiles a template against a schema. `alsoEscape` matches one more class of characters, in every part. Throws
 * `columnUnknown`, and `mappingInvalid` for columns whose type has no text that stands for the value.
 */
export function compileKeyText(
  template: KeyTemplate,
  schema: StructType,
  setting: string,
  alsoEscape: string,
): KeyText {
  const last = template.columns.length - 1;
  const parts = template.columns.map((name, index) => {
    const type = columnType(schema, name, setting);
    const separator = index === last ? '' : `%${firstCharacter(template.texts[index + 1] ?? '')}`;
    const escaped = `${separator}${alsoEscape}`;
    return {
      name,
      toText: keyTextOf(type, name, setting),
      escape: escapeOf(escaped),
      after: template.texts[index + 1] ?? '',
    };
  });
  const before = template.texts[0] ?? '';
  return (row, faults) => {
    let text = before;
    for (const part of parts) {
      const value = row[part.name];
      faults.column = part.name;
      if (value === null || value === undefined) {
        faults.note('keyNull');
        continue;
      }
      const own = part.toText(value);
      if (own === undefined) faults.note('valueUnexpected');
      else text += part.escape(own) + part.after;
    }
    return text;
  };
}

/** The type of a column, or `columnUnknown` with the nearest name as remedy. */
export function columnType(schema: StructType, name: string, setting: string): DataType {
  const field = schema.fields.find((candidate) => candidate.name === name);
  if (field !== undefined) return field.type;
  const names = schema.fields.map((candidate) => candidate.name);
  const nearest = nearestName(name, names);
  throw new SyncError('columnUnknown', {
    problem: `${setting}: the table has no column ${JSON.stringify(name)}.`,
    ...(nearest === undefined ? {} : { remedy: `Did you mean ${JSON.stringify(nearest)}?` }),
  });
}

function firstCharacter(text: string): string {
  return String.fromCodePoint(text.codePointAt(0) ?? 0);
}

function escapeOf(characters: string): (text: string) => string {
  if (characters === '') return (text) => text;
  const pattern = new RegExp(`[${characters.replaceAll(/[\\\]^-]/g, '\\$&')}]`, 'gu');
  return (text) => (text.search(pattern) === -1 ? text : text.replaceAll(pattern, percentEncode));
}

/** UTF-8 bytes of a character as %XX. */
export function percentEncode(character: string): string {
  let text = '';
  for (const byte of Buffer.from(character)) text += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return text;
}

/** How a value stands in a key, whatever the type policies say about documents. */
function keyTextOf(type: DataType, name: string, setting: string): (value: NonNullable<Value>) => string | undefined {
  if (type.kind === 'decimal') return (value) => (typeof value === 'string' ? value : undefined);
  if (type.kind === 'primitive') {
    switch (type.name) {
      case 'string':
      case 'date':
        return (value) => (typeof value === 'string' ? value : undefined);
      case 'byte':
      case 'short':
      case 'integer':
      case 'long':
        return (value) =>
          typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))
            ? String(value)
            : undefined;
      case 'boolean':
        return (value) => (typeof value === 'boolean' ? String(value) : undefined);
      case 'timestamp':
      case 'timestamp_ntz':
        return (value) => (typeof value === 'string' ? sevenDigits(value) : undefined);
      case 'float':
      case 'double':
      case 'binary':
      case 'void':
      case 'variant':
        break;
    }
  }
  throw new SyncError('mappingInvalid', {
    problem: `${setting}: column ${JSON.stringify(name)} is of type ${type.kind === 'primitive' ? type.name : type.kind}.`,
    reason: 'Keys are made of text, whole numbers, decimals, booleans, dates and timestamps.',
    remedy: 'Name another column.',
  });
}
