/** Rows mapped to documents and identities a second, ten columns; beside it JSON.stringify of the same rows. */
import type { Row } from '../../src/delta/schema.ts';
import { mappingOf } from '../support/mapping-builder.ts';
import { PRODUCT_COLUMNS, productRow } from '../support/product-rows.ts';

const ROWS = 300_000;
const mapping = mappingOf(PRODUCT_COLUMNS, {}, { partitionKeyPaths: ['/category'], kind: 'Hash', version: 2 });
const rows = Array.from({ length: 10_000 }, (_, index) => productRow(index));

function measure(work: (row: Row) => unknown): number {
  let best = 0;
  for (let round = 0; round < 3; round++) {
    const start = performance.now();
    for (let index = 0; index < ROWS; index++) work(rows[index % rows.length] ?? {});
    best = Math.max(best, ROWS / ((performance.now() - start) / 1000));
  }
  return best;
}

const mapped = measure((row) => mapping.mapRow(row));
const identified = measure((row) => mapping.identityOf(row));
const text = measure((row) => JSON.stringify(row));
process.stdout.write(
  [
    `mapRow       ${Math.round(mapped)} rows/s = ${(mapped / text).toFixed(2)} x JSON.stringify`,
    `identityOf   ${Math.round(identified)} rows/s`,
    `stringify    ${Math.round(text)} rows/s`,
    '',
  ].join('\n'),
);
