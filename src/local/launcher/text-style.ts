/** Colours and widths of terminal text. Pure. */

/** How text is written. */
export interface TextStyle {
  /** Characters in a line; undefined: as long as it takes. */
  readonly columns: number | undefined;
  readonly color: boolean;
}

const CODES = { bold: '1', dim: '2', red: '31', green: '32', yellow: '33', cyan: '36' } as const;

/** A piece of text in a colour, or as it is. */
export function paint(style: TextStyle, color: keyof typeof CODES, text: string): string {
  return style.color ? `\u001B[${CODES[color]}m${text}\u001B[0m` : text;
}

/**
 * Text from outside (names, values, messages) in one line: control characters, which could move the cursor or recolour
 * the terminal, become spaces.
 */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  return text.replaceAll(/[\u0000-\u001F\u007F-\u009F\u2028\u2029\u202A-\u202E\u2066-\u2069]+/g, ' ');
}

/** The beginning of a text without colours that fits, with an ellipsis when something is missing. */
export function fit(text: string, columns: number | undefined): string {
  if (columns === undefined) return text;
  const characters = Array.from(text);
  if (characters.length <= columns) return text;
  return columns < 1 ? '' : `${characters.slice(0, columns - 1).join('')}…`;
}

/** 1234567 → 1,234,567, the same in every locale. */
export function wholeNumber(value: number): string {
  return Math.round(value)
    .toString()
    .replaceAll(/\B(?=(\d{3})+$)/g, ',');
}

/** 1 row, 1,200 rows. */
export function counted(count: number, noun: string): string {
  return `${wholeNumber(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** 85 ms, 1.2 s, 75 s, 12 min, 3 h. */
export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
