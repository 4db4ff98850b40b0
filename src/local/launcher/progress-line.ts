/** The progress display: one line that is as complete as the terminal is wide. Pure. */
import { UNLIMITED_RU_PER_SECOND } from './app-settings.ts';
import type { Progress } from './session-event.ts';
import { counted, duration, fit, paint, printable, wholeNumber } from './text-style.ts';
import type { TextStyle } from './text-style.ts';

const GAP = '  ';
const WIDEST_BAR = 24;
/** The bar is a multiple of this wide, so that it stays where it is while figures grow. */
const BAR_STEP = 6;

/** A part of the line; the ones with the greatest `rank` give way first. */
interface Part {
  readonly text: string;
  readonly rank: number;
}

/** The line, at most `style.columns` characters wide when that is set. */
export function progressLine(progress: Progress, style: TextStyle): string {
  const columns = style.columns ?? 80;
  const { epoch, budget, lagMilliseconds } = progress;
  const name: Part = { text: printable(progress.table), rank: 0 };
  const percent: Part = { text: `${Math.floor(progress.share * 100)} %`.padStart(5), rank: 1 };
  const details: Part[] = [];
  if (epoch !== undefined) details.push({ text: versions(epoch.from, epoch.to), rank: 3 });
  details.push({ text: counted(progress.documents, 'document'), rank: 2 });
  if (progress.rows > 0) details.push({ text: counted(progress.rows, 'row'), rank: 6 });
  if (budget !== undefined && budget.ruPerSecond > 0) {
    const limit = budget.ruPerSecond < UNLIMITED_RU_PER_SECOND ? ` of ${wholeNumber(budget.ruPerSecond)}` : '';
    details.push({ text: `${wholeNumber(budget.used)}${limit} RU/s`, rank: 4 });
  }
  if (lagMilliseconds !== undefined) details.push({ text: `lag ${duration(lagMilliseconds)}`, rank: 5 });

  let shown = [name, percent, ...details];
  const width = (): number => shown.reduce((sum, part) => sum + part.text.length + GAP.length, -GAP.length);
  while (shown.length > 2 && width() > columns) {
    const least = Math.max(...shown.map((part) => part.rank));
    shown = shown.filter((part) => part.rank !== least);
  }
  if (width() > columns) return fit(`${percent.text.trimStart()} ${name.text}`, columns);

  const room = Math.min(WIDEST_BAR, columns - width() - GAP.length);
  const barWidth = Math.floor(room / BAR_STEP) * BAR_STEP;
  const bar = barWidth > 0 ? `${paint(style, 'cyan', barOf(progress.share, barWidth))}${GAP}` : '';
  const rest = shown.slice(1).map((part) => part.text);
  return `${paint(style, 'bold', name.text)}${GAP}${bar}${rest.join(GAP)}`;
}

function versions(from: number | null, to: number): string {
  return from === null ? `to v${to}` : `v${from} to v${to}`;
}

function barOf(share: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  return '█'.repeat(full) + '░'.repeat(width - full);
}
