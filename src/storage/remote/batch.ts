import { SentinelError } from '../../core/errors.js'
import type { Calls } from './calls.js'

/** Something that waits for its turn in a call. */
export interface Waiting {
  /** The call failed as a whole. */
  fail(error: unknown): void
}

/** How calls are shared. */
export interface BatchOptions {
  /** So many share one call at most. */
  readonly most: number
  /**
   * What waits is shared out among the calls that may go out, but not into calls smaller than this: while the server
   * works at one, the next is written and the last one's answers are handed out. Absent: all that waits goes together.
   */
  readonly least?: number
  /** So many calls are out at once; what comes meanwhile waits for the next. */
  readonly out: number
  /** So many wait at most; more are refused at once. */
  readonly waiting: number
  /** Counts the calls. */
  readonly calls?: Calls
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
    if (this.options.calls !== undefined) this.options.calls.waiting++
    this.plan()
  }

  /** Fails all that wait. Calls that are out end by themselves. */
  clear(error: unknown): void {
    const items = this.queue
    this.queue = []
    if (this.options.calls !== undefined) this.options.calls.waiting -= items.length
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
    const { most, least = most, out } = this.options
    while (this.queue.length > 0 && this.out < out) {
      const { queue } = this
      const size = Math.min(most, Math.max(least, Math.ceil(queue.length / (out - this.out))))
      if (queue.length <= size) {
        this.queue = []
        this.call(queue)
      } else this.call(queue.splice(0, size))
    }
  }

  private call(items: Item[]): void {
    this.out++
    this.options.calls?.made(items.length)
    this.send(items).then(this.ended, (error) => {
      this.options.calls?.lost()
      for (const item of items) item.fail(error)
      this.ended()
    })
  }

  private readonly ended = (): void => {
    this.out--
    this.plan()
  }
}
