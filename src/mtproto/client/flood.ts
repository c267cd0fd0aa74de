import type { Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import type { FloodWait } from './options.js'

/** Methods that have made us wait; of more the oldest is forgotten. */
const MOST_METHODS = 1000

/** What the waits are told to, and how long one may take. */
export interface FloodParts {
  readonly patience: Ms
  readonly now: () => Ms
  readonly timers: Timers
  readonly onWait?: ((wait: FloodWait) => void) | undefined
}

/**
 * Learns from FLOOD_WAIT, method by method: whoever calls one that has to wait, waits here, before Telegram is asked again and counts it.
 * No method waits for another.
 */
export class FloodControl {
  readonly #until = new Map<string, Ms>()
  /** Waits, and milliseconds waited. */
  readonly waited = { count: 0, ms: 0 }

  constructor(private readonly parts: FloodParts) {}

  /**
   * Makes a call, as often as it takes.
   *
   * @throws SentinelError `mtproto.flood` when it would take longer than the caller's patience. Whatever else the call rejects with.
   */
  async run<T>(
    method: string,
    call: () => Promise<T>,
    secondsOf: (error: unknown) => number | undefined,
  ): Promise<T> {
    const { patience, now } = this.parts
    const until = now() + patience
    for (;;) {
      const ready = this.#until.get(method) ?? 0
      if (ready > now()) await this.#wait(method, ready, until)
      const answer = await call()
      const seconds = secondsOf(answer)
      if (seconds === undefined) return answer
      this.#learn(method, now() + Math.max(1, seconds) * 1000)
    }
  }

  #learn(method: string, until: Ms): void {
    this.#until.delete(method)
    this.#until.set(method, until)
    if (this.#until.size <= MOST_METHODS) return
    for (const [first] of this.#until) {
      this.#until.delete(first)
      return
    }
  }

  async #wait(method: string, ready: Ms, until: Ms): Promise<void> {
    const { now, timers, onWait } = this.parts
    const waitMs = ready - now()
    if (ready > until) {
      throw new SentinelError(
        'mtproto.flood',
        `mtproto: Telegram has ${method} wait for ${Math.ceil(waitMs / 1000)} s, which is longer than mtproto.patience. Ask less often, or be more patient.`,
      )
    }
    this.waited.count++
    this.waited.ms += waitMs
    onWait?.({ method, waitMs })
    await new Promise<void>((done) => timers.after(waitMs, done))
    // Whoever waited with us goes on as well: the first to be refused again makes the others wait.
    if ((this.#until.get(method) ?? 0) <= now()) this.#until.delete(method)
  }
}
