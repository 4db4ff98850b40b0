/** The text of hints that this app puts on its own queue: a reason to look at a table again, a moment later. */

/** A hint that this app put back on the queue; null for any other message. */
export function requeuedHint(message: unknown): string | null {
  const hint = typeof message === 'object' && message !== null && 'hint' in message ? message.hint : undefined;
  return typeof hint === 'string' && hint.length <= 64 ? hint : null;
}

/** The text of a hint that comes back later. */
export function hintMessage(tableId: string): string {
  return JSON.stringify({ hint: tableId });
}
