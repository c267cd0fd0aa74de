import { SentinelError } from '../../core/errors.js'
import type { Calls } from './calls.js'

/** An item that waits to be sent in a call. */
export interface Waiting {
  /** Called if the whole call failed. */
  fail(error: unknown): void
}

/** How calls are shared. */
interface BatchOptions {
  /** Maximum number of items per call. */
  readonly most: number
  /**
   * Waiting items are distributed over the calls that may be made, but not into calls smaller than this: while the server works
   * on one call, the next is written and the answers of the last are processed. Absent: all items share one call.
   */
  readonly least?: number
  /** Maximum number of concurrent calls; later items wait for the next one. */
  readonly out: number
  /** Maximum number of waiting items; more are rejected at once. */
  readonly waiting: number
  /** Counts the calls. */
  readonly calls?: Calls
}

/**
 * Combines questions into calls: those asked in one turn of the event loop, or while calls are in progress, are sent together.
 * When idle, a question is sent at the end of its turn, without further delay.
 */
export class Batch<Item extends Waiting> {
  private queue: Item[] = []
  private out = 0
  private due = false

  constructor(
    /** Makes one call and answers every item. If it rejects, all items fail with that error. */
    private readonly send: (items: Item[]) => Promise<void>,
    private readonly options: BatchOptions,
  ) {}

  add(item: Item): void {
    if (this.queue.length >= this.options.waiting) {
      item.fail(
        new SentinelError(
          'storage.overloaded',
          `${this.options.waiting} questions wait for the storage, as many as are allowed. It answers too slowly, or not at all.`,
        ),
      )
      return
    }
    this.queue.push(item)
    if (this.options.calls !== undefined) this.options.calls.waiting++
    this.plan()
  }

  /** Fails all waiting items. Calls in progress are not affected. */
  clear(error: unknown): void {
    const items = this.queue
    this.queue = []
    if (this.options.calls !== undefined) this.options.calls.waiting -= items.length
    for (const item of items) item.fail(error)
  }

  private plan(): void {
    if (this.due || this.out >= this.options.out || this.queue.length === 0) return
    this.due = true
    // After all microtasks, so that callers answered by the last call can ask again and share this one.
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
