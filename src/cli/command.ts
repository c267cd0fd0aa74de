/** Where a command writes, so that nothing but `main` knows of the process. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  out(text: string): void
  err(text: string): void
  /** Where a person watches: a line that is written over and over; the empty text clears it. */
  readonly live?: { readonly columns: number; write(text: string): void }
  /** Tells that somebody wants it to end; the function it gives stops that. */
  interrupted?(listener: () => void): () => void
}

/** A command of the program, a file each. */
export interface Command {
  /** For the list of commands: what it does, in one line. */
  readonly summary: string
  /** For its own `--help`. */
  readonly usage: string
  /**
   * Does it; 0 if all is well, 1 if not.
   *
   * @throws UsageError when it was called in a way that there is not.
   */
  run(args: readonly string[], terminal: Terminal): number | Promise<number>
}

/** Called in a way that there is not: exit code 2, and the usage is shown. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
