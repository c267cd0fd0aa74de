import type { Decision, Judge, Plan, Receipt } from '../../../core/check.js'
import type { Clock, Timers } from '../../../core/clock.js'
import type { Ms } from '../../../core/duration.js'
import { SentinelError } from '../../../core/errors.js'
import { endsWithin } from '../../../core/in-time.js'
import { getOrInsert } from '../../../core/maps.js'
import { ownKey } from '../../../core/subject.js'
import type { Storage } from '../../../storage/contract/storage.js'

/** Time is divided into spans; the session belongs to the process that holds the current span. */
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

/** Dependencies of a lease. */
interface LeaseParts {
  readonly clock: Clock
  readonly timers: Timers
  /** Called when the lease is lost: the session must no longer be used. */
  readonly onLost: (error: SentinelError) => void
}

/**
 * Ensures that only one process uses a session at a time: otherwise Telegram answers AUTH_KEY_DUPLICATED and logs both out. The
 * holder of a span claims the next one in advance; a newcomer tries only the current span. So a newcomer succeeds only if the
 * holder has missed a span, because its process died or its storage was unavailable. Clocks may differ by a third of a span.
 */
export class SessionLease {
  readonly #storage: Storage
  readonly #key
  #judge: Judge | undefined
  /** Receipts of the spans that we hold, by span number. */
  readonly #held = new Map<number, Receipt>()
  #callOff: (() => void) | undefined
  /** Ends the wait in `take()`. */
  #wake: (() => void) | undefined
  /** Claims in progress, by span number. */
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
   * Takes the session, waiting until its holder has released it.
   *
   * @throws SentinelError `mtproto.session` if it stays held for longer than `patience`, or if {@link end} is called meanwhile.
   */
  async take(patience: Ms): Promise<void> {
    this.#judge = await this.#storage.prepare(PLAN)
    const { clock, timers } = this.parts
    const until = clock() + patience
    while (!this.#ended && !(await this.#claim(this.#spanAt(clock())))) {
      if (clock() >= until) {
        throw new SentinelError(
          'mtproto.session',
          `mtproto: the session "${this.name}" is in use by another process. Stop that process, give this client another name, or wait: a process that died holds it for ${(SPAN * 2) / 1000} s.`,
        )
      }
      await new Promise<void>((done) => {
        this.#wake = done
        this.#callOff = timers.after(Math.min(SPAN / 5, Math.max(1, until - clock())), done)
        if (this.#ended) done()
      })
    }
    // The current span may end any moment. If the next one cannot be claimed, the first renewal notices.
    if (!this.#ended) await this.#claim(this.#spanAt(clock()) + 1)
    if (this.#ended) {
      throw new SentinelError(
        'mtproto.session',
        `mtproto: the client was closed while it waited for the session "${this.name}".`,
      )
    }
    this.#watch()
  }

  /**
   * Whether the session is ours at this moment. Notices by itself that it was lost: when a process that stood still goes on, it may
   * receive updates before a timer runs.
   */
  isHeld(): boolean {
    if (!this.#ended && !this.#held.has(this.#spanAt(this.parts.clock()))) this.#lose()
    return !this.#ended
  }

  /** Releases the session, so that another process can take it at once. */
  async end(): Promise<void> {
    this.#ended = true
    this.#callOff?.()
    this.#wake?.()
    // A claim in progress releases itself once granted.
    await Promise.allSettled(this.#claiming.values())
    const receipts = [...this.#held.values()]
    this.#held.clear()
    for (const receipt of receipts) await this.#judge?.settle(receipt, 'release')
  }

  #spanAt(now: Ms): number {
    return Math.floor(now / SPAN)
  }

  #claim(span: number): Promise<boolean> {
    return getOrInsert(this.#claiming, span, () => {
      const claiming = this.#ask(span)
      const done = () => this.#claiming.delete(span)
      claiming.then(done, done)
      return claiming
    })
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

  /** The end of the consecutive spans that we hold. */
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
    // A storage that does not answer counts as unavailable: wait until the spans we hold have ended.
    const patience = Math.max(0, this.#heldUntil() - clock())
    try {
      const claim = this.#claim(span + 1)
      if ((await endsWithin(claim, patience, timers)) && !(await claim)) lost = true
    } catch {
      // The storage is unavailable; there is time to retry while the current span lasts.
    }
    if (!this.#held.has(this.#spanAt(clock()))) lost = true
    // The span before is kept, because the clock may be set back a little.
    for (const past of this.#held.keys()) if (past < span - 1) this.#held.delete(past)
    if (this.#ended) return
    if (lost) this.#lose()
    else this.#watch()
  }

  #lose(): void {
    this.#ended = true
    this.#callOff?.()
    const reason = 'another process has taken it, or the storage was unavailable for too long'
    this.parts.onLost(
      new SentinelError(
        'mtproto.session',
        `mtproto: the session "${this.name}" was lost: ${reason}. Create another client.`,
      ),
    )
  }
}
