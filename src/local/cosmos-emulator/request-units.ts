/** What operations cost: the table of the service's documentation (understand-request-unit-consumption, April 2026). */

/** Charges in RU; sizes in bytes of UTF-8 JSON; terms are indexed leaf values. */
export interface RequestUnitModel {
  /** Writing `bytes` once, without its index terms. */
  write(bytes: number): number;
  /** Reading `bytes` by id. */
  read(bytes: number): number;
  readonly perInsertedTerm: number;
  readonly perChangedTerm: number;
  readonly perPatchStep: number;
  /** A read that finds nothing. */
  readonly missing: number;
  /** 409, 412 and other refused writes. */
  readonly refused: number;
  /** A query before the documents it loads; each costs `read / 10` more. */
  readonly query: number;
}

const KILOBYTES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048] as const;
const WRITE = [4.95, 6.29, 6.67, 7.04, 9.52, 11.23, 22.67, 48.19, 98.29, 184.57, 625, 1250] as const;
const READ = [1, 1.04, 1.14, 1.33, 1.67, 2.19, 4.76, 9.95, 20.28, 40.95, 145.9, 291.8] as const;

function interpolate(values: readonly number[], bytes: number): number {
  const kilobytes = Math.max(1, Math.ceil(bytes / 1024));
  for (let i = 1; i < KILOBYTES.length; i++) {
    const right = KILOBYTES[i] ?? 0;
    if (kilobytes > right) continue;
    const left = KILOBYTES[i - 1] ?? 0;
    const share = (kilobytes - left) / (right - left);
    return (values[i - 1] ?? 0) + share * ((values[i] ?? 0) - (values[i - 1] ?? 0));
  }
  return (values.at(-1) ?? 0) * (kilobytes / 2048);
}

function tabulated(values: readonly number[]): (bytes: number) => number {
  const known: number[] = [];
  return (bytes) => {
    const kilobytes = Math.max(1, Math.ceil(bytes / 1024));
    return (known[kilobytes] ??= interpolate(values, bytes));
  };
}

/** The documented model. */
export const documentedModel: RequestUnitModel = {
  write: tabulated(WRITE),
  read: tabulated(READ),
  perInsertedTerm: 0.2,
  perChangedTerm: 0.4,
  perPatchStep: 0.4,
  missing: 1,
  refused: 1.24,
  query: 2.8,
};

/** Charges as the service prints them: two decimals. */
export function roundCharge(charge: number): number {
  return Math.round(charge * 100) / 100;
}
