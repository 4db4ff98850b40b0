/** What no single setting can show: settings that contradict each other. */
import type { Mistake } from './mistakes.ts';
import { nearestName } from './nearest-name.ts';
import type { SyncConfiguration } from './sync-configuration.ts';
import type { TableConfiguration } from './table-settings.ts';

/** Every contradiction in a configuration whose single settings are right. */
export function crossCheck(configuration: SyncConfiguration): Mistake[] {
  const tables = Object.entries(configuration.tables);
  return [
    ...Object.entries(configuration.budgets).flatMap(([name, budget]) => {
      if ((budget.share === undefined) !== (budget.ruPerSecond === undefined)) return [];
      const both = budget.share !== undefined;
      return mistake(
        ['budgets', name],
        both ? 'Both share and ruPerSecond are set.' : 'The budget states no figure.',
        'Set exactly one of share and ruPerSecond.',
      );
    }),
    ...tables.flatMap(([id, table]) => checkTable(['tables', id], table, configuration)),
    ...checkSharedContainers(tables),
    ...Object.keys(configuration.removedTables ?? {}).flatMap((id) =>
      Object.hasOwn(configuration.tables, id)
        ? mistake(['removedTables', id], 'The table is still configured.', 'Remove it from tables, or from here.')
        : [],
    ),
    ...Object.entries(configuration.removedTables ?? {}).flatMap(([id, { budget }]) =>
      budget === undefined || Object.hasOwn(configuration.budgets, budget)
        ? []
        : mistake(['removedTables', id, 'budget'], 'There is no budget of this name.', 'Add it to budgets.'),
    ),
  ];
}

function mistake(path: readonly PropertyKey[], problem: string, remedy: string): Mistake[] {
  return [{ path, problem, remedy }];
}

function checkTable(path: readonly string[], table: TableConfiguration, all: SyncConfiguration): Mistake[] {
  const found: Mistake[] = [];
  const add = (setting: readonly string[], problem: string, remedy: string): void => {
    found.push({ path: [...path, ...setting], problem, remedy });
  };

  const source = sourceMistake(table.source);
  if (source !== undefined) add(['source'], source.problem, source.remedy);

  const budget = Object.hasOwn(all.budgets, table.budget) ? all.budgets[table.budget] : undefined;
  const targets = targetsOf(table);
  if (budget === undefined) {
    const nearest = nearestName(table.budget, Object.keys(all.budgets));
    add(
      ['budget'],
      'There is no budget of this name.',
      nearest === undefined ? 'Add it to budgets.' : `Did you mean ${JSON.stringify(nearest)}?`,
    );
  } else if (!targets.includes(budget.target)) {
    add(
      ['budget'],
      `The budget is for ${budget.target}, not for the target of this table.`,
      'Name a budget of the target.',
    );
  }

  if (table.columns.include !== undefined && table.columns.exclude !== undefined) {
    add(['columns'], 'Both include and exclude are set.', 'Set one of them.');
  }
  if (table.softDelete !== undefined && table.mode !== 'softDelete') {
    add(['softDelete'], `It has no effect in mode ${table.mode}.`, 'Set mode softDelete, or remove it.');
  }
  if (table.softDelete !== undefined && table.softDelete.flag === table.softDelete.at) {
    add(['softDelete', 'at'], 'flag and at name the same field.', 'Name two fields.');
  }
  if (table.onDelete !== undefined && table.mode !== 'patch') {
    add(['onDelete'], `It has no effect in mode ${table.mode}.`, 'Set mode patch, or remove it.');
  }
  if (table.publish.kind === 'blueGreen' && table.publish.other === table.target.container) {
    add(['publish', 'other'], 'It is the same container as target.', 'Name the second container of the pair.');
  }
  if (table.publish.kind !== 'inPlace' && table.mode !== 'mirror') {
    add(
      ['publish', 'kind'],
      `Only mode mirror can be published as ${table.publish.kind}.`,
      'Use inPlace or mode mirror.',
    );
  }
  if (table.publish.kind !== 'inPlace' && table.start !== 'snapshot') {
    add(['start'], 'What is published is a whole copy of the table.', 'Start with the snapshot, or publish inPlace.');
  }
  if (table.publish.kind !== 'inPlace' && all.freshness === undefined) {
    add(['publish', 'kind'], 'The pointer document needs a container.', 'Set freshness.');
  }
  const { freshness } = all;
  if (freshness !== undefined && targets.includes(`${freshness.database}/${freshness.container}`)) {
    add(['target'], 'Freshness documents would lie in a mirrored container.', 'Set freshness to another container.');
  }
  return found;
}

/** database/container of everything the table writes documents to. */
export function targetsOf(table: TableConfiguration): string[] {
  const { database, container } = table.target;
  const targets = [`${database}/${container}`];
  if (table.publish.kind === 'blueGreen') targets.push(`${database}/${table.publish.other}`);
  return targets;
}

function sourceMistake(source: string): { problem: string; remedy: string } | undefined {
  if (!/^[a-z][a-z0-9+.-]+:\/\//i.test(source)) return undefined;
  const url = URL.parse(source);
  if (url === null) return { problem: 'The address is not a URL.', remedy: 'Correct it.' };
  if (url.search !== '' || url.hash !== '' || url.password !== '') {
    return {
      problem: 'The address carries a query, fragment or password.',
      remedy: 'Remove it: access is granted to the identity of the app, and secrets do not belong here.',
    };
  }
  const loopback = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  if (url.protocol === 'https:' || url.protocol === 'abfss:' || (url.protocol === 'http:' && loopback))
    return undefined;
  return { problem: `Addresses of kind ${url.protocol} are not read.`, remedy: 'Write https://… or abfss://….' };
}

/** Mirror and softDelete own what they write to, so two writers of one container need to tell their documents apart. */
function checkSharedContainers(tables: readonly (readonly [string, TableConfiguration])[]): Mistake[] {
  const writers = new Map<string, (readonly [string, TableConfiguration])[]>();
  for (const entry of tables) {
    for (const target of targetsOf(entry[1])) writers.set(target, [...(writers.get(target) ?? []), entry]);
  }
  const found: Mistake[] = [];
  for (const [target, sharing] of writers) {
    if (sharing.length < 2) continue;
    const owners = sharing.filter(([, table]) => table.mode === 'mirror' || table.mode === 'softDelete');
    for (const [id, table] of owners) {
      const rival = sharing.find(([other, otherTable]) => other !== id && !separated(table, otherTable));
      if (rival === undefined) continue;
      found.push({
        path: ['tables', id, 'target'],
        problem: `Table ${rival[0]} writes ${target} too, and mode ${table.mode} would remove its documents.`,
        remedy: 'Give both a discriminator with the same field and different values, or another container.',
      });
    }
  }
  return found;
}

/** Whether a constant field tells the documents of two tables apart. */
export function separated(a: TableConfiguration, b: TableConfiguration): boolean {
  if (a.discriminator === undefined || b.discriminator === undefined) return false;
  return a.discriminator.field === b.discriminator.field && a.discriminator.value !== b.discriminator.value;
}
