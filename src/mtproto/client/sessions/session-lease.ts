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
  /** Ends the waiting of whoever wants to come in. */
  #wake: (() => void) | undefined
  /** Spans that are being asked for, by number. */
  readonly #claiming = new Map<number, Promise<boolean>>()
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
   * @throws SentinelError `mtproto.session` when it is held for longer than `patience`, or {@link end} was called meanwhile.
   */
  async take(patience: Ms): Promise<void> {
    this.#judge = await this.#storage.prepare(PLAN)
    const { clock, timers } = this.parts
    const until = clock() + patience
    while (!this.#ended && !(await this.#claim(this.#spanAt(clock())))) {
      if (clock() >= until) {
        throw new SentinelError(
          'mtproto.session',
          `mtproto: the session "${this.name}" is in use by another process. Stop that, give this one a name of its own, or wait: a process that died holds it for ${(SPAN * 2) / 1000} s.`,
        )
      }
      await new Promise<void>((done) => {
        this.#wake = done
        this.#callOff = timers.after(Math.min(SPAN / 5, Math.max(1, until - clock())), done)
        if (this.#ended) done()
      })
    }
    // It may end in a moment. Whether the next one is ours shows when it is looked at again.
    if (!this.#ended) await this.#claim(this.#spanAt(clock()) + 1)
    if (this.#ended) {
      throw new SentinelError(
        'mtproto.session',
        `mtproto: the client was closed while it waited for the session "${this.name}".`,
      )
    }
    this.#watch()
  }

  /** Lets go, for the next one to come in at once. */
  async end(): Promise<void> {
    this.#ended = true
    this.#callOff?.()
    this.#wake?.()
    // What is asked for just now is let go of where it is granted.
    await Promise.allSettled(this.#claiming.values())
    const receipts = [...this.#held.values()]
    this.#held.clear()
    for (const receipt of receipts) await this.#judge?.settle(receipt, 'release')
  }

  #spanAt(now: Ms): number {
    return Math.floor(now / SPAN)
  }

  #claim(span: number): Promise<boolean> {
    let claiming = this.#claiming.get(span)
    if (claiming === undefined) {
      claiming = this.#ask(span)
      this.#claiming.set(span, claiming)
      const done = () => this.#claiming.delete(span)
      claiming.then(done, done)
    }
    return claiming
  }

  async #ask(span: number): Promise<boolean> {
    if (this.#held.has(span)) return true
    const judge = this.#judge as Judge
    const ask = { bot: 0, subjects: [this.#key], costs: [1], tokens: [span] }
    const { refusedBy, receipt }: Decision = await judge.evaluate(ask)
    if (refusedBy >= 0 || receipt === undefined) return false
    if (this.#ended) await judge.settle(receipt, 'release')
    else this.#held.set(span, receipt)
    return !this.#ended
  }

  /** Until when it is ours without asking again. */
  #heldUntil(): Ms {
    let span = this.#spanAt(this.parts.clock())
    while (this.#held.has(span)) span++
    return span * SPAN
  }

  #watch(): void {
    const { clock, timers } = this.parts
    const left = Math.max(1, this.#heldUntil() - clock())
    this.#callOff = timers.after(Math.min(SPAN / 3, left), () => void this.#renew())
  }

  async #renew(): Promise<void> {
    if (this.#ended) return
    const { clock, timers } = this.parts
    const span = this.#spanAt(clock())
    let lost = !this.#held.has(span)
    // A storage that says nothing is as one that is away: it is waited for as long as the session is ours.
    let callOff: () => void = () => undefined
    const late = new Promise<'late'>((done) => {
      callOff = timers.after(Math.max(0, this.#heldUntil() - clock()), () => done('late'))
    })
    try {
      if ((await Promise.race([this.#claim(span + 1), late])) === false) lost = true
    } catch {
      // The storage is away. As long as the span is ours there is time to try again.
    }
    callOff()
    if (!this.#held.has(this.#spanAt(clock()))) lost = true
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
