/** What an operator states about one table: zod schemas, from which the types and the JSON Schema both come. */
import { z } from 'zod';

const text = z.string().min(1).max(4096);
const columnName = z.string().min(1).max(1024);
const wholeNumber = z.int().min(0);
const positive = z.int().min(1);

/** Names of databases and containers as Cosmos DB allows them. */
export const resourceName = z
  .string()
  .regex(/^[^/\\?#\s](?:[^/\\?#]{0,253}[^/\\?#\s])?$/)
  .describe('A database or container name: up to 255 characters, without / \\ ? #');

/** A top-level field of a document. */
const fieldName = z
  .string()
  .min(1)
  .max(1024)
  .refine((name) => name !== '__proto__', { message: '__proto__ cannot be a field' });

const typePolicyShape = {
  decimal: z
    .enum(['auto', 'number', 'string'])
    .exactOptional()
    .describe('auto (default): number up to precision 15, else string; number: dead letter when not exact'),
  long: z
    .enum(['number', 'string', 'auto'])
    .exactOptional()
    .describe('number (default): dead letter beyond 2^53-1; auto: string beyond it; string: always'),
  timestamp: z
    .enum(['iso7', 'iso', 'epochMicros', 'epochMillis', 'epochSeconds'])
    .exactOptional()
    .describe('iso7 (default): 2026-01-31T10:20:30.1234560Z; iso: six digits; epoch…: dead letter when not exact'),
  timestampNtz: z.enum(['iso7', 'iso']).exactOptional().describe('As timestamp, without the Z'),
  date: z.enum(['iso', 'epochDays']).exactOptional().describe('iso (default): 2026-01-31'),
  binary: z.enum(['base64', 'hex']).exactOptional(),
  nonFinite: z
    .enum(['error', 'string', 'null'])
    .exactOptional()
    .describe('NaN and infinities of float and double. error (default): dead letter'),
  map: z
    .enum(['auto', 'object', 'pairs'])
    .exactOptional()
    .describe('auto (default): an object when keys are strings, else [[key, value], …]'),
  variant: z.enum(['json', 'string']).exactOptional().describe('json (default): as it is; string: its JSON text'),
  nulls: z
    .enum(['null', 'omit'])
    .exactOptional()
    .describe('How SQL null is written; overrides the setting of the table'),
};

const typePolicy = z.strictObject(typePolicyShape);
/** How values of each type are written. Absent: the default of that type. */
export type TypePolicy = z.output<typeof typePolicy>;

const types = z.strictObject({
  ...typePolicyShape,
  columns: z.record(columnName, typePolicy).exactOptional().describe('The same policies for single columns'),
});

const columns = z.strictObject({
  include: z.array(columnName).min(1).exactOptional().describe('Only these columns (default: all)'),
  exclude: z.array(columnName).min(1).exactOptional().describe('All but these columns'),
  rename: z
    .record(columnName, text)
    .exactOptional()
    .describe('Column to field name, or to a path that begins with / and nests: "/address/city"'),
});

const deleteLimit = {
  count: wholeNumber.exactOptional().describe('At most this many deletes'),
  percent: z.number().min(0).max(100).exactOptional().describe('At most this share of the rows before the epoch'),
};

const guards = z.strictObject({
  maxDeletes: z
    .strictObject({
      ...deleteLimit,
      perDay: z.strictObject(deleteLimit).exactOptional().describe('The same over a rolling day'),
    })
    .prefault({ percent: 20 })
    .describe('Deletes above this hold the epoch until it is approved'),
  emptySource: z
    .enum(['hold', 'accept'])
    .default('hold')
    .describe('Whether a table that became empty may empty the container without approval'),
  emptySourceSettleSeconds: wholeNumber
    .max(86_400)
    .default(60)
    .describe('How long a table must stay empty before that is believed at all'),
  maxRu: positive.exactOptional().describe('An epoch estimated above this many RU is held'),
  maxSeconds: positive.exactOptional().describe('An epoch estimated to take longer is held'),
});

const driftPolicy = z.enum(['accept', 'ignore', 'pause']);
const schemaDrift = z.strictObject({
  added: driftPolicy.default('accept'),
  dropped: driftPolicy.default('pause'),
  renamed: driftPolicy.default('pause'),
  widened: driftPolicy.default('accept'),
  narrowed: driftPolicy.default('pause'),
});
/** What happens on each class of schema change. */
export type SchemaDriftPolicy = z.output<typeof schemaDrift>;

const publish = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('inPlace') }),
  z
    .strictObject({
      kind: z.literal('blueGreen'),
      other: resourceName.describe('The second container of the pair, in the same database'),
      graceSeconds: wholeNumber.default(3600).describe('How long the idle container is kept after a switch'),
      verify: z.enum(['counts', 'checksums', 'full']).default('checksums').describe('Checked before the switch'),
    })
    .describe('Loads the idle one of two containers, verifies it, then switches the pointer document'),
  z
    .strictObject({
      kind: z.literal('versionFlag'),
      field: fieldName.default('generation').describe('Field of every document that holds its generation'),
      graceSeconds: wholeNumber.default(3600).describe('How long an old generation is kept after a switch'),
      verify: z.enum(['counts', 'checksums', 'full']).default('checksums').describe('Checked before the switch'),
    })
    .describe('Generations in one container; the pointer document names the live one'),
]);
/** How a load becomes visible. */
export type PublishSettings = z.output<typeof publish>;

/** One table with its target and mapping, defaults filled in. */
export const tableSettings = z.strictObject({
  source: text.describe('https://… or abfss://… of the table folder, without a query; a folder in local runs only'),
  target: z.strictObject({ database: resourceName, container: resourceName }),
  id: text.describe('Template of the document id: "${column}", or several with text in between: "${a}|${b}"'),
  partitionKey: z
    .union([text, z.array(text).min(1).max(3)])
    .exactOptional()
    .describe('Template, or one for each level. Absent: what the mapped document has at the key path of the container'),
  mode: z.enum(['mirror', 'upsert', 'softDelete', 'insertOnly', 'patch']).default('mirror'),
  budget: z.string().min(1).describe('Name of the budget that pays for this table'),
  columns: columns.prefault({}),
  constants: z
    .record(text, z.json())
    .exactOptional()
    .describe('Fields with the same value in every document, by name or by /path'),
  discriminator: z
    .strictObject({ field: fieldName, value: z.union([z.string().min(1), z.number(), z.boolean()]) })
    .exactOptional()
    .describe('A constant that tells the documents of this table from those of others in the same container'),
  nulls: z.enum(['null', 'omit']).default('null').describe('SQL null is written as null, or the field is left out'),
  types: types.prefault({}),
  idEscaping: z
    .enum(['reject', 'escape'])
    .default('reject')
    .describe('Characters not allowed in ids: dead letter, or written as %XX'),
  where: text.exactOptional().describe('Only rows for which this holds, for example "region = \'EU\' AND active"'),
  softDelete: z
    .strictObject({
      flag: fieldName.default('deleted'),
      at: fieldName.default('deletedAt'),
      ttlSeconds: positive
        .max(2_147_483_647)
        .exactOptional()
        .describe('Cosmos DB removes the document after this time'),
    })
    .exactOptional(),
  onDelete: z.enum(['delete', 'keep']).exactOptional().describe('What mode patch does with a row that is gone'),
  duplicates: z
    .enum(['error', 'last'])
    .default('error')
    .describe('Several rows of one document: dead letters, or the last one in file order wins'),
  uniqueKey: z
    .enum(['checked', 'trusted'])
    .default('checked')
    .describe('Whether a first load reads the key columns beforehand to find duplicates'),
  start: z
    .union([
      z.literal('snapshot'),
      z.strictObject({ version: wholeNumber }),
      z.strictObject({ timestamp: z.iso.datetime({ offset: true }) }),
    ])
    .default('snapshot')
    .describe('Where the first epoch starts; a version or timestamp is included'),
  existing: z
    .enum(['adopt', 'replace', 'refuse'])
    .exactOptional()
    .describe('A first load into a container that is not empty; absent: the epoch is held and asks'),
  guards: guards.prefault({}),
  schemaDrift: schemaDrift.prefault({}),
  publish: publish.default({ kind: 'inPlace' }),
  deadLetters: z
    .strictObject({
      threshold: wholeNumber.default(100).describe('More dead letters than this in one epoch stop it'),
      content: z.enum(['none', 'keys', 'row']).default('none').describe('How much of the row is kept'),
    })
    .prefault({}),
  sourceVersion: fieldName.exactOptional().describe('Field that holds the table version a document was written from'),
  limits: z
    .strictObject({ rows: positive.exactOptional(), bytes: positive.exactOptional(), ru: positive.exactOptional() })
    .prefault({})
    .describe('Where catching up is cut into several epochs'),
});

/** One table with its target and mapping, defaults filled in. */
export type TableConfiguration = z.output<typeof tableSettings>;
/** How a table's changes are applied to its container. */
export type SyncMode = TableConfiguration['mode'];
