import type { Context } from 'grammy'
import type { Update } from 'grammy/types'
import type { z } from 'zod'
import { isPromise, type MaybePromise } from '../../core/check.js'
import { steadyClock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Facts } from '../../core/facts.js'
import type { Activity } from '../../core/kinds.js'
import { type Key, keyText } from '../../core/subject.js'
import type { Admission, Seat, SubjectOf } from '../guard.js'
import { notifiedBy, type Recent } from '../recent.js'
import type { Services } from '../services.js'
import { GUARD, WORK } from './defaults.js'
import type { concurrencyOptions } from './options.js'
import { type NoPlace, type Place, Places } from './places.js'
import { noteWait } from './waits.js'

type SeatsSettings = z.output<typeof concurrencyOptions>

/** An update whose handlers hold a place. */
interface Working {
  readonly facts: Facts
  readonly ctx: Context
}

/**
 * The place of an update, shared by all passes of the update through the guard; left when the last of its handlers have ended.
 */
interface Held {
  readonly bot: number
  readonly key: Key
  /** Whether the update is let in where no place is free: the money for a payment has already been taken. */
  readonly paid: boolean
  /** Number of passes that run handlers or wait for the place. */
  handlers: number
  /** The place, or a promise that all passes share while it is pending. */
  place: MaybePromise<Place | NoPlace>
}

/** The places of one guard, as its chain uses them. */
export class Seats {
  private readonly places: Places<Working>
  private readonly noticed: Recent<true>
  private readonly on: ReadonlySet<Activity>
  private readonly name: string
  /** Places by update, so that an update never waits for itself. Nearly always there is one key. */
  private readonly held = new WeakMap<Update, Held[]>()
  /** Whether other options have replaced this guard. */
  private superseded = false
  private readonly turnAway = (): void => this.places.turnAway()

  constructor(
    private readonly services: Services,
    private readonly settings: SeatsSettings,
    private readonly subjectOf: SubjectOf<Context>,
    place: string | undefined,
  ) {
    const { most, queue, maxWait, deadline, maxWaiting, maxSubjects } = settings
    this.name = settings.name ?? settings.scope
    this.on = new Set(settings.on ?? WORK)
    this.noticed = notifiedBy(services, `${GUARD}.${this.name}`, settings.noticeEvery, place)
    const { steady: clock, timers } = services
    this.places = new Places({
      ...{ clock, timers, most, queue, maxWait, deadline, maxWaiting, maxSubjects },
      overdue: (working, ms) =>
        services.events.tell('overdue', { ...working, guard: GUARD, limit: this.name, ms }),
    })
  }

  /** Number of updates that wait for a place. */
  get waiting(): number {
    return this.places.waiting
  }

  begin(): void {
    this.services.shared.refusals.add(this.turnAway)
    const { signal } = this.settings
    if (signal?.aborted === true) this.turnAway()
    else signal?.addEventListener('abort', this.turnAway, { once: true })
  }

  take(facts: Facts, ctx: Context, shadow: boolean): MaybePromise<Seat | undefined> {
    if (!this.on.has(facts.activity)) return undefined
    const key = this.keyOf(facts, ctx)
    if (key === undefined) return undefined
    const bot = ctx.me.id
    const known = this.held.get(ctx.update)?.find((held) => held.bot === bot && held.key === key)
    if (known !== undefined) return this.share(known, ctx)
    const paid = facts.activity === 'payment'
    // In shadow mode no update waits or takes a place beyond the limit.
    if (shadow && !this.places.isFree(bot, key)) return paid ? undefined : this.refusal(bot, key, 0)
    if (this.superseded && this.services.shared.closing) this.places.close()
    const place = this.places.take(bot, key, { facts, ctx })
    if (this.superseded && isPromise(place)) this.straggle(place)
    const held: Held = { bot, key, paid, handlers: 0, place }
    const all = this.held.get(ctx.update)
    if (all === undefined) this.held.set(ctx.update, [held])
    else all.push(held)
    return this.share(held, ctx)
  }

  /**
   * Called when other options have replaced this guard, or the sentinel closes. In the first case, updates on their way may still
   * wait.
   */
  async drain(): Promise<void> {
    if (this.services.shared.closing) this.places.close()
    else this.superseded = true
    await this.places.settled()
    this.rest()
  }

  /** Registers a wait in a guard that was replaced and drained, so that close() knows of it while it lasts. */
  private straggle(waiting: Promise<unknown>): void {
    this.begin()
    this.services.shared.stragglers.add(this)
    void waiting.then(() => this.rest())
  }

  private rest(): void {
    if (this.places.waiting > 0) return
    this.services.shared.stragglers.delete(this)
    this.services.shared.refusals.delete(this.turnAway)
    this.settings.signal?.removeEventListener('abort', this.turnAway)
  }

  private share(held: Held, ctx: Context): MaybePromise<Seat | undefined> {
    const { place } = held
    held.handlers++
    if (!isPromise(place)) return this.seat(held, place, ctx.update)
    const from = steadyClock()
    return place.then((given) => {
      noteWait(ctx, steadyClock() - from)
      return this.seat(held, given, ctx.update)
    })
  }

  private seat(held: Held, given: Place | NoPlace, update: Update): Seat | undefined {
    held.place = given
    if (!('leave' in given)) {
      this.forget(held, update)
      return held.paid ? undefined : this.refusal(held.bot, held.key, given.wait)
    }
    if (this.places.uncounted > 0) this.warnOfHanging()
    return {
      leave: () => {
        if (--held.handlers > 0) return
        this.forget(held, update)
        given.leave()
      },
    }
  }

  private forget(held: Held, update: Update): void {
    const others = this.held.get(update)?.filter((other) => other !== held) ?? []
    if (others.length > 0) this.held.set(update, others)
    else this.held.delete(update)
  }

  private refusal(bot: number, key: Key, wait: Ms): Admission {
    const now = this.services.steady()
    const name = `${bot} ${keyText(key)}`
    const { deny, shadow } = this.settings
    const notice = deny !== 'silent' && !shadow && this.noticed.add(name, now)
    return { veto: 'busy', by: { guard: GUARD, limit: this.name, retryAfterMs: wait, notice } }
  }

  private keyOf(facts: Facts, ctx: Context): Key | undefined {
    try {
      return this.subjectOf(facts, ctx)
    } catch (error) {
      // A developer's function that throws disables its limit for this update; it must not stop the bot.
      this.services.failed(error, `${GUARD}.${this.name}`)
      return undefined
    }
  }

  private warnOfHanging(): void {
    this.services.warn(
      'concurrency.uncounted',
      `${GUARD}.${this.name}: handlers run for more subjects than maxSubjects allows, so some updates are admitted uncounted. Look for handlers that hang, or raise maxSubjects.`,
    )
  }
}
