import { isPromise, type MaybePromise } from '../core/check.js'

/**
 * Lets writes of one thing reach a storage in the order they were asked for, one after the other: what a pool of connections
 * is given at once it may do in any order. A turn ends when the write does, or has taken too long: what hangs must not keep
 * all others from being written.
 */
export class WriteTurns {
  /** By what is written: when the last that was asked for is over. None rejects. */
  private readonly last = new Map<string, Promise<unknown>>()

  constructor(
    /** Bounds work in time: rejects when it fails, or takes too long. */
    private readonly bounded: (work: () => Promise<unknown>) => Promise<unknown>,
  ) {}

  /** Writes some things; at once where nobody is before it. Waiting too long for its turn it is not made at all, and rejects. */
  take<T>(ids: readonly string[], write: () => MaybePromise<T>): MaybePromise<T> {
    const before = new Set(ids.flatMap((id) => this.last.get(id) ?? []))
    if (before.size === 0) {
      const written = write()
      if (isPromise(written)) this.note(ids, this.ended(written))
      return written
    }
    const due = Promise.all(before)
    const written = this.bounded(() => due).then(write)
    // Whoever comes next waits for those before it, too, should it give up.
    this.note(
      ids,
      due.then(() => this.ended(written)),
    )
    return written
  }

  /** When all that was asked for is over. */
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
