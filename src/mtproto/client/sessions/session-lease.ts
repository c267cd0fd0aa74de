import type { Decision, Judge, Plan, Receipt } from '../../../core/check.js'
import type { Clock, Timers } from '../../../core/clock.js'
import type { Ms } from '../../../core/duration.js'
import { SentinelError } from '../../../core/errors.js'
import { ownKey } from '../../../core/subject.js'
import type { Storage } from '../../../storage/storage.js'

/** Time is cut into spans, and a session belongs to whoever took the span of now. */
const SPAN: Ms = 15_000

const PLAN: Plan = {
  name: 'mtproto',
  scopes: ['session'],
  checks: [
    {
      kind: 'claim',
      guard: 'mtproto',
      slot: 'mtproto.lease',
      subject: 0,
      tokens: 'digest',
      holdFor: SPAN * 3,
      retry: true,
      whenHeld: 'refuse',
    },
  ],
}

/** What a lease needs of its surroundings. */
export interface LeaseParts {
  readonly clock: Clock
  readonly timers: Timers
  /** The lease was lost: the session must not be used any longer. */
  readonly onLost: (error: SentinelError) => void
}

/**
 * Sees to it that a session is used by one process at a time: with two Telegram answers AUTH_KEY_DUPLICATED, and logs both out.
 * Whoever holds a span takes the next one before it begins, whoever wants to come in tries the span of now alone. So a newcomer has
 * a chance only when the holder has let one go: its process has died, or its storage was away for a span. Clocks may differ by a third of a span.
 */
export class SessionLease {
  readonly #storage: Storage
  readonly #key
  #judge: Judge | undefined
  /** The receipts of the spans that are ours, by number. */
  readonly #held = new Map<number, Receipt>()
  #callOff: (() => void) | undefined
  #ended = false

  constructor(
    storage: Storage,
    private readonly name: string,
    private readonly parts: LeaseParts,
  ) {
    this.#storage = storage
    this.#key = ownKey(`mtproto:${name}`)
  }

  /**
   * Takes the session, or waits until its holder has let go.
   *
   * @throws SentinelError `mtproto.session` when it is held for longer than `patience`.
   */
  async take(patience: Ms): Promise<void> {
    this.#judge = await this.#storage.prepare(PLAN)
    const { clock, timers } = this.parts
    const until = clock() + patience
    while (!(await this.#claim(this.#spanAt(clock())))) {
      if (clock() >= until) {
        throw new SentinelError(
          'mtproto.session',
          `mtproto: the session "${this.name}" is in use by another process. Stop that, give this one a name of its own, or wait: a process that died holds it for ${(SPAN * 2) / 1000} s.`,
        )
      }
      await new Promise<void>((done) => timers.after(Math.min(SPAN / 5, Math.max(1, until - clock())), done))
    }
    // It may end in a moment. Whether the next one is ours shows when it is looked at again.
    await this.#claim(this.#spanAt(clock()) + 1)
    this.#watch()
  }

  /** Lets go, for the next one to come in at once. */
  async end(): Promise<void> {
    this.#ended = true
    this.#callOff?.()
    const receipts = [...this.#held.values()]
    this.#held.clear()
    for (const receipt of receipts) await this.#judge?.settle(receipt, 'release')
  }

  #spanAt(now: Ms): number {
    return Math.floor(now / SPAN)
  }

  async #claim(span: number): Promise<boolean> {
    if (this.#held.has(span)) return true
    const ask = { bot: 0, subjects: [this.#key], costs: [1], tokens: [span] }
    const decision: Decision = await (this.#judge as Judge).evaluate(ask)
    if (decision.refusedBy >= 0 || decision.receipt === undefined) return false
    this.#held.set(span, decision.receipt)
    return true
  }

  #watch(): void {
    this.#callOff = this.parts.timers.after(SPAN / 3, () => void this.#renew())
  }

  async #renew(): Promise<void> {
    if (this.#ended) return
    const span = this.#spanAt(this.parts.clock())
    let lost = !this.#held.has(span)
    try {
      if (!(await this.#claim(span + 1))) lost = true
    } catch {
      // The storage is away. As long as the span is ours there is time to try again.
      lost = !this.#held.has(this.#spanAt(this.parts.clock()))
    }
    for (const past of this.#held.keys()) if (past < span) this.#held.delete(past)
    if (this.#ended) return
    if (!lost) {
      this.#watch()
      return
    }
    this.#ended = true
    const reason = 'another process has taken it, or the storage was away for too long'
    this.parts.onLost(
      new SentinelError(
        'mtproto.session',
        `mtproto: the session "${this.name}" was lost: ${reason}. Connect again.`,
      ),
    )
  }
}
