/** What a command of `delta-cosmos` is. The frame (main.ts) finds it by name, prints usage and turns errors into exit codes. */

/** An output. `write` resolves when the reader can take more, so that a slow pipe slows the command down. */
export interface TextWriter {
  write(text: string): Promise<void>;
}

/** Everything a command may touch of the process. */
export interface CommandIo {
  /** Data only. */
  readonly stdout: TextWriter;
  /** Messages. */
  readonly stderr: TextWriter;
  /** Aborted by Ctrl-C, and when the reader of stdout went away. */
  readonly signal: AbortSignal;
}

/** A command. It throws SyncError for every expected failure: the frame prints it and exits with the error's class. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** The text of `--help`. */
  readonly usage: string;
  /** `argv` without the command's name. Resolves to the exit code: 0 ok, 1 failed, 2 usage, 3 refused. */
  run(argv: readonly string[], io: CommandIo): Promise<number>;
}
