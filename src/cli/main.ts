#!/usr/bin/env -S node --max-semi-space-size=16
/** The process of `delta-cosmos`. */
import { runCommandLine } from './command-line.ts';
import { createProcessIo } from './process-io.ts';

const io = createProcessIo();
const code = await runCommandLine(process.argv.slice(2), io);
// Whoever closed the pipe has what it wanted (`… | head`): that is no failure.
process.exitCode = io.endRequest() === 'readerGone' ? 0 : code;
