/** Unique keys: no two documents of a logical partition may have the same values at a key's paths. */
import { isJsonMap, type Json, type JsonMap } from './json.ts';

/** The values in use in one container. */
export class UniqueKeys {
  private readonly keys: readonly (readonly (readonly string[])[])[];
  /** Owner's id by partition key, number of the unique key and its values. */
  private readonly owners = new Map<string, string>();

  constructor(keys: readonly (readonly (readonly string[])[])[]) {
    this.keys = keys;
  }

  get active(): boolean {
    return this.keys.length > 0;
  }

  /** Id of another document that has one of this one's unique values. */
  taken(pk: string, id: string, document: JsonMap): string | undefined {
    return this.entries(pk, document)
      .map((entry) => this.owners.get(entry))
      .find((owner) => owner !== undefined && owner !== id);
  }

  add(pk: string, id: string, document: JsonMap): void {
    for (const entry of this.entries(pk, document)) this.owners.set(entry, id);
  }

  remove(pk: string, document: JsonMap): void {
    for (const entry of this.entries(pk, document)) this.owners.delete(entry);
  }

  private entries(pk: string, document: JsonMap): string[] {
    return this.keys.map((paths, number) => {
      // An absent value counts as a value of its own, as in the service.
      const values = paths.map((names) => JSON.stringify(valueAt(document, names)) ?? 'undefined');
      return `${pk}\n${number}\n${values.join('\n')}`;
    });
  }
}

function valueAt(document: JsonMap, names: readonly string[]): Json | undefined {
  let value: Json | undefined = document;
  for (const name of names) value = isJsonMap(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  return value;
}
