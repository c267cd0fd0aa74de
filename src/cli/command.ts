/** Input and output of a command, so that only `main` accesses the process. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  out(text: string): void
  err(text: string): void
  /** An interactive line, which is overwritten by each write; the empty text clears it. Absent without a terminal. */
  readonly live?: { readonly columns: number; write(text: string): void }
  /** Adds a listener for interruption by the user; the returned function removes it. */
  interrupted?(listener: () => void): () => void
}

/** A command of the program; each has its own file. */
export interface Command {
  /** What it does, in one line, for the list of commands. */
  readonly summary: string
  /** The text of its `--help`. */
  readonly usage: string
  /**
   * Runs the command; returns 0 on success and 1 on failure.
   *
   * @throws UsageError for invalid arguments.
   */
  run(args: readonly string[], terminal: Terminal): number | Promise<number>
}

/** Invalid arguments: the exit code is 2, and the usage is shown. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
