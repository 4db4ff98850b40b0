/** The app's settings: %NAME% substitution and storage connection strings. */
import { SyncError } from '../../shared/errors.ts';

/** Application settings by name. Names are looked up without regard to case, as on the official host. */
export class AppSettings {
  readonly values: Readonly<Record<string, string>>;
  readonly #byLowerName: ReadonlyMap<string, string>;

  constructor(values: Readonly<Record<string, string>>) {
    this.values = values;
    this.#byLowerName = new Map(Object.entries(values).map(([name, value]) => [name.toLowerCase(), value]));
  }

  get(name: string): string | undefined {
    return this.#byLowerName.get(name.toLowerCase());
  }

  /** Replaces each %NAME% by that setting. Throws `settingMissing`. */
  resolve(text: string): string {
    return text.replaceAll(/%([^%]+)%/g, (_, name: string) => {
      const value = this.get(name);
      if (value === undefined) {
        throw new SyncError('settingMissing', {
          problem: `The setting ${name} is missing.`,
          reason: `"${text}" uses it.`,
        });
      }
      return value;
    });
  }

  /**
   * The storage connection string that a binding's `connection` names; an empty name means AzureWebJobsStorage.
   * Throws `settingMissing`, also for identity connections, which this host does not offer.
   */
  connectionString(connection: string): string {
    const name = connection === '' ? 'AzureWebJobsStorage' : connection;
    const value = this.get(name) ?? this.get(`AzureWebJobs${name}`);
    if (value !== undefined && value !== '') return value;
    throw new SyncError('settingMissing', {
      problem: `The storage connection ${name} is missing.`,
      reason: 'The local host connects to storage by connection string only, not by identity.',
    });
  }
}
