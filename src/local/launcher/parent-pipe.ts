/**
 * Preloaded (`node --import`) into a program that knows nothing of its parent: ends it when the parent's end of stdin
 * closes, so that a killed launcher leaves nothing behind.
 */

/** How long the program may take to write its state before it is ended by force. */
const GRACE_MS = 3000;

function parentLeft(): void {
  setTimeout(() => process.exit(1), GRACE_MS).unref();
  process.kill(process.pid, 'SIGTERM');
}

// With the parent go the readers of the output: saying goodbye must not end the program before it has saved its state.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
process.stdin.on('end', parentLeft);
process.stdin.on('error', parentLeft);
process.stdin.resume();
// The pipe alone must not keep the program alive.
if ('unref' in process.stdin && typeof process.stdin.unref === 'function') process.stdin.unref();
