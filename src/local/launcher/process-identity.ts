/** Tells a running process from a later one that got the same id. */
import { readFile } from 'node:fs/promises';

/**
 * A text that stays the same while the process runs and differs for any other; empty when no such process runs. Where
 * the system does not say when a process began, all running ones give the same text.
 */
export async function processStarted(pid: number): Promise<string> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Not allowed to signal it: it runs.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return '';
  }
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // proc(5): after the command in parentheses, which may hold anything, `state` is field 3 and `starttime` field 22.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return '';
    return fields[19] ?? 'running';
  } catch {
    return 'running';
  }
}
