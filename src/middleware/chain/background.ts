import { unawaited } from '../../core/unawaited.js'
import { type Probe, stepped } from './probe.js'

/**
 * Keeps a platform from ending before background work is done, like `waitUntil` of Cloudflare Workers and Vercel.
 *
 * @example
 * ```ts
 * import { sentinel, type WaitUntil } from 'grammy-sentinel'
 *
 * declare const context: { waitUntil(work: Promise<unknown>): void } // the platform's
 * const waitUntil: WaitUntil = (work) => context.waitUntil(work)
 * sentinel({ waitUntil })
 * ```
 */
export type WaitUntil = (work: Promise<unknown>) => void

/** Work that no update waits for: notices, answers, marks. Bounded, and drained by `close()`. */
export class Background {
  /** The work that is running, and the chat whose share it takes from, if any. */
  private readonly running = new Map<Promise<void>, number | undefined>()
  /** Amount of work refused because too much was running. */
  dropped = 0
  /** Watches the work. */
  probe: Probe | undefined

  constructor(
    private readonly failed: (error: unknown, what: string) => void,
    private readonly most = 256,
    /** Public, since other options may set another function. */
    public waitUntil?: WaitUntil,
  ) {}

  get size(): number {
    return this.running.size
  }

  /**
   * Runs work in the background; false if too much is running. Exceptions are reported under the name `what`.
   *
   * @param chat The chat that calls of this work are for. They may wait for this chat, so it gets another place only while it has
   * less than a quarter of the free ones: a fifth of all at most.
   */
  run(what: string, work: () => Promise<unknown>, chat?: number): boolean {
    let own = 0
    for (const other of this.running.values()) if (other !== undefined && other === chat) own++
    if (own * 4 >= this.most - this.running.size) {
      this.dropped++
      return false
    }
    const running = this.guarded(what, work).finally(() => this.running.delete(running))
    this.running.set(running, chat)
    if (this.waitUntil !== undefined) this.handOver(running, this.waitUntil)
    return true
  }

  private handOver(running: Promise<void>, waitUntil: WaitUntil): void {
    const failed = (error: unknown): void => this.failed(error, 'waitUntil')
    try {
      unawaited(waitUntil(running), failed)
    } catch (error) {
      failed(error)
    }
  }

  /**
   * Waits until nothing is running. With `rounds`, waits that many times for what is running, including work started meanwhile.
   */
  async drain(rounds = Number.POSITIVE_INFINITY): Promise<void> {
    for (let left = rounds; left > 0 && this.running.size > 0; left--) await Promise.all(this.running.keys())
  }

  private async guarded(what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await stepped(this.probe, { kind: 'background', name: what }, work)
    } catch (error) {
      this.failed(error, what)
    }
  }
}
