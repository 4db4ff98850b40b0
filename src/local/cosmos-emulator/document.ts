/** A document on its way in: checked, stripped of system properties and put into stored form; and on its way out. */
import { checkTtl, type ContainerDefinition } from './container-definition.ts';
import type { Container } from './container.ts';
import { documentProjection } from './document-projection.ts';
import type { Item } from './item.ts';
import type { JsonMap } from './json.ts';
import { Refusal, badRequest } from './refusal.ts';
import { parsePlainJson } from '../../shared/json.ts';

/** Bytes of a document at most. */
const MAX_DOCUMENT_BYTES = 2 * 1024 * 1024;
const MAX_ID_BYTES = 1023;

/** What is stored of a document, before it has a place. */
export interface StoredForm {
  readonly id: string;
  readonly text: string;
  readonly size: number;
  readonly terms: number;
  readonly ttl: number | undefined;
}

/** Checks an id: `/`, `\` and `#` cannot be part of a resource's address. */
export function checkDocumentId(id: unknown): string {
  if (typeof id !== 'string' || id === '') {
    throw badRequest("The input content is invalid because the required properties - 'id; ' - are missing");
  }
  if (id.length * 3 > MAX_ID_BYTES && Buffer.byteLength(id) > MAX_ID_BYTES) {
    throw badRequest(`The id is longer than ${MAX_ID_BYTES} bytes.`);
  }
  for (let i = 0; i < id.length; i++) {
    const code = id.charCodeAt(i);
    if (code === 47 || code === 92 || code === 35) {
      throw badRequest('The id contains one of the characters / \\ #, which are not allowed.');
    }
  }
  return id;
}

/** Checks a document and makes its stored form; `body` loses its system properties. */
export function storedForm(definition: ContainerDefinition, body: JsonMap): StoredForm {
  const id = checkDocumentId(body['id']);
  const ttl = checkTtl(body['ttl'], "'ttl' of the item");
  if (body['_rid'] !== undefined || body['_etag'] !== undefined || body['_ts'] !== undefined) {
    delete body['_rid'];
    delete body['_self'];
    delete body['_etag'];
    delete body['_ts'];
  }
  if (body['_self'] !== undefined) delete body['_self'];
  if (body['_attachments'] !== undefined) delete body['_attachments'];
  const terms = definition.terms.count(body);
  const text = JSON.stringify(body);
  const size = Buffer.byteLength(text);
  if (size > MAX_DOCUMENT_BYTES) throw tooLarge();
  return { id, text, size, terms, ttl };
}

/** 413 as the service words it. */
export function tooLarge(): Refusal {
  return new Refusal(413, 'Message: {"Errors":["Request size is too large"]}\r\nThe limit is 2 MB.');
}

/** The JSON text given out: the stored text with the system properties at its end. `extra` is further JSON members. */
export function resourceText(container: Container, item: Item, extra = ''): string {
  const rid = container.documentRid(item.number);
  return (
    `${item.text.slice(0, -1)},"_rid":"${rid}","_self":"${container.self}docs/${rid}/",` +
    `"_etag":${JSON.stringify(item.etag)},"_attachments":"attachments/","_ts":${item.seconds}${extra}}`
  );
}

/** The system properties, in the order they are given out. */
const SYSTEM_PROPERTIES: Readonly<Record<string, (container: Container, item: Item) => string | number>> = {
  _rid: (container, item) => container.documentRid(item.number),
  _self: (container, item) => `${container.self}docs/${container.documentRid(item.number)}/`,
  _etag: (_container, item) => item.etag,
  _attachments: () => 'attachments/',
  _ts: (_container, item) => item.seconds,
};

/** Reads documents as queries see them, with their system properties: whole, or only the properties they look at. */
export function documentReader(
  container: Container,
  properties: ReadonlySet<string> | undefined,
): (item: Item) => JsonMap {
  const stored =
    properties === undefined
      ? (text: string) => parsePlainJson(text) as JsonMap
      : documentProjection([...properties].filter((name) => !Object.hasOwn(SYSTEM_PROPERTIES, name)));
  const system = Object.entries(SYSTEM_PROPERTIES).filter(([name]) => properties?.has(name) ?? true);
  return (item) => {
    const value = stored(item.text);
    for (const [name, of] of system) value[name] = of(container, item);
    return value;
  };
}
