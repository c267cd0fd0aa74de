import { isPromise, type MaybePromise } from '../../core/check.js'

/**
 * Makes writes to the same item reach a storage in the order they were requested, one after another; a connection pool would
 * otherwise be free to reorder them. A turn ends when its write ends or times out, so a hanging write does not block the others.
 */
export class WriteTurns {
  /** By item: a promise that resolves when the latest requested write is over. Never rejects. */
  private readonly last = new Map<string, Promise<unknown>>()

  constructor(
    /** Adds a time limit: rejects if the work fails or takes too long. */
    private readonly bounded: (work: () => Promise<unknown>) => Promise<unknown>,
  ) {}

  /**
   * Writes the given items, at once if no other write to them is pending. A write that waits too long for its turn is not made
   * and rejects.
   */
  take<T>(ids: readonly string[], write: () => MaybePromise<T>): MaybePromise<T> {
    const before = new Set(ids.flatMap((id) => this.last.get(id) ?? []))
    if (before.size === 0) {
      const written = write()
      if (isPromise(written)) this.note(ids, this.ended(written))
      return written
    }
    const due = Promise.all(before)
    const written = this.bounded(() => due).then(write)
    // Even if this write gives up, later writes must still wait for the ones before it.
    this.note(
      ids,
      due.then(() => this.ended(written)),
    )
    return written
  }

  /** Resolves when no write is pending. */
  async idle(): Promise<void> {
    while (this.last.size > 0) await Promise.all(this.last.values())
  }

  private note(ids: readonly string[], over: Promise<unknown>): void {
    for (const id of ids) this.last.set(id, over)
    void over.then(() => {
      for (const id of ids) if (this.last.get(id) === over) this.last.delete(id)
    })
  }

  private ended(written: Promise<unknown>): Promise<unknown> {
    const over = (): void => undefined
    return this.bounded(() => written).then(over, over)
  }
}
