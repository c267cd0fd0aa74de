import type { Context } from 'grammy'
import type { z } from 'zod'
import { isPromise, type MaybePromise } from '../core/check.js'
import { type Ms, parseDuration } from '../core/duration.js'
import type { Activity, Facts } from '../core/facts.js'
import { type Key, keyText } from '../core/subject.js'
import type { concurrencyOptions } from './concurrency.js'
import type { Admission, Seat, SubjectOf } from './guard.js'
import type { House } from './house.js'
import { type NoPlace, type Place, Places } from './places.js'
import { Recent } from './recent.js'
import { GUARD, WORK } from './work.js'

const NOTICE_EVERY = parseDuration('1m')

type SeatsSettings = z.output<typeof concurrencyOptions>

/** Who is at work. */
interface Working {
  readonly facts: Facts
  readonly ctx: Context
}

/** The places of one guard, as its chain asks for them. */
export class Seats {
  private readonly places: Places<Working>
  private readonly noticed: Recent<true>
  private readonly on: ReadonlySet<Activity>
  private readonly name: string
  private readonly turnAway = (): void => this.places.turnAway()

  constructor(
    private readonly house: House,
    private readonly settings: SeatsSettings,
    private readonly subjectOf: SubjectOf<Context>,
  ) {
    const { most = 1, queue = 10, maxWaiting = 10_000, maxSubjects = 100_000 } = settings
    const { wait = 30_000, deadline = 60_000 } = settings
    this.name = settings.name ?? settings.per ?? 'user'
    this.on = new Set(settings.on ?? WORK)
    this.noticed = new Recent(settings.noticeEvery ?? NOTICE_EVERY)
    const { clock, timers } = house
    this.places = new Places({
      ...{ clock, timers, most, queue, wait, deadline, maxWaiting, maxSubjects },
      overdue: (working, ms) =>
        house.events.tell('overdue', { ...working, guard: GUARD, limit: this.name, ms }),
    })
  }

  /** Updates that wait for a place. */
  get waiting(): number {
    return this.places.waiting
  }

  begin(): void {
    const { signal } = this.settings
    if (signal?.aborted === true) this.turnAway()
    else signal?.addEventListener('abort', this.turnAway, { once: true })
  }

  take(facts: Facts, ctx: Context, shadow: boolean): MaybePromise<Seat | undefined> {
    if (!this.on.has(facts.activity)) return undefined
    const key = this.keyOf(facts, ctx)
    if (key === undefined) return undefined
    const bot = ctx.me.id
    // In shadow nobody waits, and nobody is at work beside the count.
    if (shadow && !this.places.isFree(bot, key)) return this.refusal(key, 0)
    const place = this.places.take(bot, key, { facts, ctx })
    return isPromise(place) ? place.then((given) => this.seat(key, given)) : this.seat(key, place)
  }

  async drain(): Promise<void> {
    this.settings.signal?.removeEventListener('abort', this.turnAway)
    await this.places.drain()
  }

  private seat(key: Key, given: Place | NoPlace): Seat {
    if ('leave' in given) {
      if (this.places.uncounted > 0) this.warnOfHanging()
      return given
    }
    return this.refusal(key, given.wait)
  }

  private refusal(key: Key, wait: Ms): Admission {
    const now = this.house.clock()
    const name = keyText(key)
    const { deny = 'notice', shadow = false } = this.settings
    const notice = deny !== 'silent' && this.noticed.get(name, now) === undefined
    if (notice && !shadow) this.noticed.set(name, true, now)
    return { veto: 'busy', by: { guard: GUARD, limit: this.name, retryAfterMs: wait, notice } }
  }

  private keyOf(facts: Facts, ctx: Context): Key | undefined {
    try {
      return this.subjectOf(facts, ctx)
    } catch (error) {
      // A developer's function that throws leaves its limit out: it must not stop the bot.
      this.house.events.tell('error', { error, during: `${GUARD}.${this.name}` })
      return undefined
    }
  }

  private warnOfHanging(): void {
    this.house.warn(
      'concurrency.uncounted',
      `${GUARD}.${this.name}: handlers are at work for more subjects than maxSubjects allows, so some updates are let in uncounted. Look for handlers that hang, or raise maxSubjects.`,
    )
  }
}
