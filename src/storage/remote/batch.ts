import { SentinelError } from '../../core/errors.js'

/** Something that waits for its turn in a call. */
export interface Waiting {
  /** The call failed as a whole. */
  fail(error: unknown): void
}

/** How calls are shared. */
export interface BatchOptions {
  /** So many share one call at most. */
  readonly most: number
  /** So many calls are out at once; what comes meanwhile waits for the next. */
  readonly out: number
  /** So many wait at most; more are refused at once. */
  readonly waiting: number
}

/**
 * Shares calls: what is asked in one turn of the event loop, or while calls are out, goes together. When idle a
 * question goes out at the end of the turn it came in, so that it waits for nobody.
 */
export class Batch<Item extends Waiting> {
  private queue: Item[] = []
  private out = 0
  private due = false

  constructor(
    /** Makes one call and answers every item; what it rejects with, all of them fail with. */
    private readonly send: (items: Item[]) => Promise<void>,
    private readonly options: BatchOptions,
  ) {}

  get waiting(): number {
    return this.queue.length
  }

  add(item: Item): void {
    if (this.queue.length >= this.options.waiting) {
      item.fail(
        new SentinelError(
          'storage.overloaded',
          `${this.options.waiting} questions wait for the storage, the most there may be. It answers too slowly, or not at all.`,
        ),
      )
      return
    }
    this.queue.push(item)
    this.plan()
  }

  /** Fails all that wait. Calls that are out end by themselves. */
  clear(error: unknown): void {
    const items = this.queue
    this.queue = []
    for (const item of items) item.fail(error)
  }

  private plan(): void {
    if (this.due || this.out >= this.options.out || this.queue.length === 0) return
    this.due = true
    // After all microtasks: whoever was answered by the last call has asked again by then, and shares this one.
    process.nextTick(this.flush)
  }

  private readonly flush = (): void => {
    this.due = false
    const { queue } = this
    if (queue.length === 0) return
    const items = queue.length <= this.options.most ? queue : queue.slice(0, this.options.most)
    this.queue = queue.length <= this.options.most ? [] : queue.slice(this.options.most)
    this.out++
    this.send(items).then(this.ended, (error) => {
      for (const item of items) item.fail(error)
      this.ended()
    })
    this.plan()
  }

  private readonly ended = (): void => {
    this.out--
    this.plan()
  }
}
