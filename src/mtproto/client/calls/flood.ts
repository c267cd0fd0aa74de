import { AsyncLocalStorage } from 'node:async_hooks'
import type { Timers } from '../../../core/clock.js'
import type { Ms } from '../../../core/duration.js'
import { SentinelError } from '../../../core/errors.js'
import { setNewest } from '../../../core/maps.js'
import type { FloodWait } from '../options.js'
import { Pace } from './pace.js'

/** Maximum number of methods with a pace; beyond it the one refused longest ago is dropped. */
const MOST_METHODS = 1000

/** Dependencies of FloodControl, and the longest wait. */
interface FloodParts {
  readonly patience: Ms
  readonly now: () => Ms
  readonly timers: Timers
  readonly onWait?: ((wait: FloodWait) => void) | undefined
}

/**
 * Learns from FLOOD_WAIT, separately for each method. Calls of a method that must wait are held back here, because calling
 * Telegram again would count against the limit; calls after them are spaced so that Telegram accepts them.
 */
export class FloodControl {
  readonly #paces = new Map<string, Pace>()
  readonly #patience = new AsyncLocalStorage<Ms>()
  readonly #waiting = new Set<() => void>()
  #closed = false
  /** Number of waits, and their total length in milliseconds. */
  readonly waited = { count: 0, ms: 0 }

  constructor(private readonly parts: FloodParts) {}

  /** Number of calls waiting now. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Returns how long a call of that method would have to wait now. */
  readyIn(method: string): Ms {
    const now = this.parts.now()
    return (this.#paces.get(method)?.readyAt(now) ?? now) - now
  }

  /** Limits the waits of all calls made inside `work`. */
  withPatience<T>(patience: Ms, work: () => T): T {
    return this.#patience.run(patience, work)
  }

  /**
   * Makes a call, repeating it after each FLOOD_WAIT.
   *
   * @throws SentinelError `mtproto.flood` if the wait would exceed the caller's patience; `mtproto.session` if the client is
   * closed meanwhile; the signal's reason; any other error of the call.
   */
  async run<T>(
    method: string,
    call: () => Promise<T>,
    secondsOf: (error: unknown) => number | undefined,
    signal?: AbortSignal,
  ): Promise<T> {
    const { now } = this.parts
    const from = now()
    for (;;) {
      const pace = this.#paces.get(method)
      if (pace !== undefined) {
        const patience = this.#patience.getStore() ?? this.parts.patience
        await this.#takeTurn(method, pace, from + patience, signal)
      }
      const sentIn = pace?.epoch ?? 0
      const answer = await call()
      const seconds = secondsOf(answer)
      if (seconds === undefined) {
        this.#paces.get(method)?.passed(now())
        return answer
      }
      this.#paceOf(method).refused(sentIn, now(), Math.max(1, seconds) * 1000)
    }
  }

  /** Ends all waits: the waiting calls fail because the client was closed. */
  close(): void {
    this.#closed = true
    for (const wake of [...this.#waiting]) wake()
  }

  async #takeTurn(method: string, pace: Pace, until: Ms, signal: AbortSignal | undefined): Promise<void> {
    const { now } = this.parts
    for (;;) {
      const turn = pace.turn(now(), until)
      if (turn === undefined) throw impatient(method, pace.readyAt(now()) - now())
      const waitMs = turn.at - now()
      try {
        if (waitMs > 0) await this.#wait(method, waitMs, pace.isShut(now()) ? 'flood' : 'pace', signal)
      } catch (error) {
        pace.leave(turn)
        throw error
      }
      // If Telegram refused another call during the wait, the turn is void and the call waits again.
      if (pace.go(turn)) return
    }
  }

  #paceOf(method: string): Pace {
    const known = this.#paces.get(method) ?? new Pace()
    setNewest(this.#paces, method, known, MOST_METHODS)
    return known
  }

  async #wait(
    method: string,
    waitMs: Ms,
    why: FloodWait['why'],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { timers, onWait } = this.parts
    signal?.throwIfAborted()
    this.waited.count++
    this.waited.ms += waitMs
    onWait?.({ method, waitMs, why })
    await new Promise<void>((done) => {
      const wake = () => {
        callOff()
        signal?.removeEventListener('abort', wake)
        this.#waiting.delete(wake)
        done()
      }
      const callOff = timers.after(waitMs, wake)
      signal?.addEventListener('abort', wake, { once: true })
      this.#waiting.add(wake)
      if (this.#closed) wake()
    })
    signal?.throwIfAborted()
    if (this.#closed) {
      throw new SentinelError('mtproto.session', `mtproto: the client was closed while ${method} waited.`)
    }
  }
}

function impatient(method: string, waitMs: Ms): SentinelError {
  return new SentinelError(
    'mtproto.flood',
    `mtproto: Telegram makes ${method} wait for ${Math.ceil(waitMs / 1000)} s, which is longer than mtproto.patience. Call it less often, or raise patience.`,
  )
}
