import { AsyncLocalStorage } from 'node:async_hooks'
import type { Timers } from '../../../core/clock.js'
import type { Ms } from '../../../core/duration.js'
import { SentinelError } from '../../../core/errors.js'
import type { FloodWait } from '../options.js'
import { Pace } from './pace.js'

/** Methods that have made us wait; of more the one that was quiet for longest is forgotten. */
const MOST_METHODS = 1000

/** What the waits are told to, and how long one may take. */
export interface FloodParts {
  readonly patience: Ms
  readonly now: () => Ms
  readonly timers: Timers
  readonly onWait?: ((wait: FloodWait) => void) | undefined
}

/**
 * Learns from FLOOD_WAIT, method by method: whoever calls one that has to wait, waits here, before Telegram is asked again and counts it;
 * and those who come after are let through as slowly as Telegram takes them. No method waits for another.
 */
export class FloodControl {
  readonly #paces = new Map<string, Pace>()
  readonly #patience = new AsyncLocalStorage<Ms>()
  readonly #waiting = new Set<() => void>()
  #closed = false
  /** Waits, and milliseconds waited. */
  readonly waited = { count: 0, ms: 0 }

  constructor(private readonly parts: FloodParts) {}

  /** Calls that wait now. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** How long a call of that method would wait now. */
  readyIn(method: string): Ms {
    const now = this.parts.now()
    return (this.#paces.get(method)?.readyAt(now) ?? now) - now
  }

  /** Has whatever is called in there wait for so long at most. */
  withPatience<T>(patience: Ms, work: () => T): T {
    return this.#patience.run(patience, work)
  }

  /**
   * Makes a call, as often as it takes.
   *
   * @throws SentinelError `mtproto.flood` when it would take longer than the caller's patience; `mtproto.session` when the client is closed
   * meanwhile; the signal's reason. Whatever else the call rejects with.
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

  /** Lets nobody wait any longer: whoever does is told that the client was closed. */
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
      // Whoever waited may find that Telegram has refused another one meanwhile, and waits on.
      if (pace.go(turn)) return
    }
  }

  #paceOf(method: string): Pace {
    const known = this.#paces.get(method) ?? new Pace()
    this.#paces.delete(method)
    this.#paces.set(method, known)
    if (this.#paces.size > MOST_METHODS) {
      for (const [quiet] of this.#paces) {
        this.#paces.delete(quiet)
        break
      }
    }
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
    `mtproto: Telegram has ${method} wait for ${Math.ceil(waitMs / 1000)} s, which is longer than mtproto.patience. Ask less often, or be more patient.`,
  )
}
