import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { endsWithRequests } from '../../core/request-bound.js'
import { unawaited } from '../../core/unawaited.js'
import { type Probe, stepped } from '../chain/probe.js'

/** Where work ends with the request that started it, older work holds no place: its promise may never settle. */
const LOST_AFTER: Ms = 60_000

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
  /** The work that is running, the chat whose share it takes from, if any, and when it started. */
  private readonly running = new Map<
    Promise<void>,
    { readonly chat: number | undefined; readonly since: Ms }
  >()
  /** Amount of work refused because too much was running. */
  dropped = 0
  /** Watches the work. */
  probe: Probe | undefined
  /** Receives the work, so that the platform does not end it early. */
  waitUntil: WaitUntil | undefined

  constructor(
    private readonly failed: (error: unknown, what: string) => void,
    private readonly clock: Clock,
    private readonly most = 256,
  ) {}

  get size(): number {
    return this.running.size
  }

  /** Whether more than half of the places are free. */
  get hasHalfFree(): boolean {
    return this.running.size * 2 < this.most
  }

  /**
   * Runs work in the background; false if too much is running. Exceptions are reported under the name `what`.
   *
   * @param chat The chat that calls of this work are for. They may wait for this chat, so it gets another place only while it has
   * less than a quarter of the free ones: a fifth of all at most, rounded up.
   */
  run(what: string, work: () => Promise<unknown>, chat?: number): boolean {
    this.forgetLost()
    let own = 0
    if (chat !== undefined) for (const other of this.running.values()) if (other.chat === chat) own++
    if (own * 4 >= this.most - this.running.size) {
      this.dropped++
      return false
    }
    const running = this.guarded(what, work).finally(() => this.running.delete(running))
    this.running.set(running, { chat, since: this.clock() })
    if (this.waitUntil !== undefined) this.handOver(running, this.waitUntil)
    return true
  }

  /** Like {@link run}, but reports it as a failure if too much is running. */
  runOrReport(what: string, work: () => Promise<unknown>, chat?: number): boolean {
    const isRunning = this.run(what, work, chat)
    if (!isRunning) this.failed(new Error('too much work in progress'), what)
    return isRunning
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
    this.forgetLost()
    for (let left = rounds; left > 0 && this.running.size > 0; left--) await Promise.all(this.running.keys())
  }

  private forgetLost(): void {
    if (!endsWithRequests()) return
    for (const [work, { since }] of this.running)
      if (this.clock() - since > LOST_AFTER) this.running.delete(work)
  }

  private async guarded(what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await stepped(this.probe, { kind: 'background', name: what }, work)
    } catch (error) {
      this.failed(error, what)
    }
  }
}
