import type { Context } from 'grammy'
import type { Ms } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { ACTIVITIES, type Facts } from '../core/facts.js'
import { Lease, SharedTimer } from '../core/request-bound.js'
import type { Key } from '../core/subject.js'
import type { SentinelFlavor } from '../middleware/chain/control.js'
import type { DeniedEvent } from '../middleware/events.js'
import type { Services } from '../middleware/services.js'
import type { UserActivity } from '../storage/users.js'

/** Between two writes. */
const EVERY: Ms = 1000
/** Users noted between two writes, at most. */
const MOST_USERS = 10_000
/** Users in one write. */
const BATCH = 1000

/** What is counted of a user: updates by activity, and those that were stopped. */
const NAMES: readonly string[] = [...ACTIVITIES, 'denials']
const DENIALS = NAMES.length - 1
const INDEX_OF = new Map(ACTIVITIES.map((activity, index) => [activity, index]))
const NOTHING: readonly number[] = NAMES.map(() => 0)

/**
 * How the noting of activity fares.
 *
 * @example
 * ```ts
 * import { type ActivityHealth, sentinel } from 'grammy-sentinel'
 *
 * const { activity } = await sentinel({ users: true }).health()
 * const line = ({ waiting, dropped }: ActivityHealth) => `${waiting} users to be written, ${dropped} updates not counted`
 * if (activity !== undefined) console.log(line(activity))
 * ```
 */
export interface ActivityHealth {
  /** Users whose activity is yet to be written. */
  readonly waiting: number
  /** Updates that were not counted, since too much waited. */
  readonly dropped: number
}

interface Noted {
  at: Ms
  /** By name: a list is quicker than a map, and every update comes by here. */
  readonly counts: number[]
}

/**
 * Notes who was seen and what they did, in this process first; once a second all of it goes to the storage, in a few
 * trips. No update waits for it. Where timers end with requests, the request that noted first is kept for as long.
 */
export class ActivityRecorder {
  private noted = new Map<number, Map<Key, Noted>>()
  private waiting = 0
  private dropped = 0
  private readonly timer: SharedTimer
  private writing: Promise<void> | undefined
  /** Of what is being written: what is left of it. */
  private unwritten = this.noted
  private readonly lease: Lease
  /** Where timers end with requests: whether something keeps these for what is under way. */
  private isKept = true
  /** Ends the waiting of who is held. */
  private letGo: (() => void) | undefined
  private stop: (() => void) | undefined
  private closed = false

  constructor(
    private readonly services: Services,
    on: boolean,
  ) {
    const { clock, timers } = services
    this.timer = new SharedTimer(clock, timers)
    this.lease = new Lease(clock)
    this.turn(on)
  }

  get health(): ActivityHealth | undefined {
    return this.stop === undefined ? undefined : { waiting: this.waiting, dropped: this.dropped }
  }

  /** Begins or ends noting; what was noted is written all the same. */
  turn(on: boolean): void {
    if (on === (this.stop !== undefined)) return
    if (!on) {
      this.stop?.()
      this.stop = undefined
      return
    }
    const { events, clock } = this.services
    // With watch() and not on(): a webhook refuses floods unparsed only while nobody listens, and this does not count as listening.
    const stops = [
      events.watch('allowed', ({ facts, ctx }) => {
        // It counted when it came first, though its handler failed.
        const { sentinel } = ctx as Context & Partial<SentinelFlavor>
        if (sentinel?.isRepeated !== true) this.note(ctx.me.id, facts, clock(), 1, 0)
      }),
      events.watch('denied', (told) => this.noteDenial(told, clock())),
    ]
    this.stop = () => {
      for (const each of stops) each()
    }
  }

  /** Whoever is erased is not written anew by what was noted before. */
  async forget(bot: number, key: Key): Promise<void> {
    const drop = (): void => {
      if (this.noted.get(bot)?.delete(key) === true) this.waiting--
    }
    drop()
    // What is under way may come after the erasure; what fails comes back.
    await this.underWay
    drop()
  }

  /** Writes all that was noted, once; what fails is told. */
  private async drain(): Promise<void> {
    await this.underWay
    await this.write()
  }

  /** Ends noting, and lets go of the timer. */
  async close(): Promise<void> {
    this.turn(false)
    this.closed = true
    this.timer.off()
    await this.drain()
  }

  private noteDenial({ facts, ctx, verdict, wasAllowed, isFirst }: DeniedEvent, now: Ms): void {
    // A duplicate was counted when it first came. An update that was let in and denied later was counted when it was let in.
    if (!isFirst || (verdict.reason === 'duplicate' && !wasAllowed)) return
    this.note(ctx.me.id, facts, now, wasAllowed ? 0 : 1, 1)
  }

  private note(bot: number, { actor, activity }: Facts, at: Ms, updates: number, denials: number): void {
    if (actor === undefined) return
    const noted = this.notedOf(bot, actor, at)
    if (noted === undefined) this.dropped++
    else {
      noted.at = Math.max(noted.at, at)
      add(noted.counts, INDEX_OF.get(activity) as number, updates)
      add(noted.counts, DENIALS, denials)
    }
    if (this.waiting >= MOST_USERS / 2) this.writeAside()
    else this.arm()
  }

  private notedOf(bot: number, key: Key, at: Ms): Noted | undefined {
    let users = this.noted.get(bot)
    if (users === undefined) {
      users = new Map()
      this.noted.set(bot, users)
    }
    let noted = users.get(key)
    if (noted === undefined) {
      if (this.waiting >= MOST_USERS) return undefined
      noted = { at, counts: NOTHING.slice() }
      users.set(key, noted)
      this.waiting++
    }
    return noted
  }

  private arm(): void {
    const { timer } = this
    if (this.closed || (timer.isSet && !timer.isLost)) return
    if (timer.isLost) {
      // The request that was to write has ended, for nothing has kept it: this one writes, and at once.
      this.isKept = false
      timer.off()
      this.letGo?.()
      this.writeAside()
    } else if (timer.mayBeLost && this.isKept) this.services.background.run('users.note', () => this.held())
    else timer.set(EVERY, () => this.writeAside())
  }

  /** For a second, and until all is written: what waits for the background keeps the request for as long. */
  private async held(): Promise<void> {
    await new Promise<void>((end) => {
      this.letGo = end
      this.timer.set(EVERY, end)
    })
    if (!this.closed) this.writeAside()
    await this.writing
  }

  /** What is being written; not what ended with its request, which is noted anew. */
  private get underWay(): Promise<void> | undefined {
    if (this.writing !== undefined && this.lease.isLost) {
      this.writing = undefined
      for (const [bot, users] of this.unwritten)
        for (const [key, noted] of users) this.takeBack(bot, key, noted)
    }
    return this.writing
  }

  /** A write that nobody waits for; never rejects. */
  private writeAside(): void {
    // The next second sees to what is noted meanwhile.
    if (this.underWay !== undefined) {
      this.arm()
      return
    }
    this.lease.renew()
    const writing = this.write().finally(() => {
      // Given up meanwhile: another may be under way.
      if (this.writing !== writing) return
      this.writing = undefined
      if (this.waiting > 0) this.arm()
    })
    this.writing = writing
  }

  private async write(): Promise<void> {
    const { noted } = this
    this.noted = new Map()
    this.unwritten = noted
    this.waiting = 0
    for (const [bot, users] of noted) {
      const all = [...users]
      for (let i = 0; i < all.length; i += BATCH) {
        const batch = all.slice(i, i + BATCH)
        await this.writeBatch(bot, batch)
        this.lease.renew()
        for (const [key] of batch) users.delete(key)
      }
    }
  }

  private async writeBatch(bot: number, batch: readonly [Key, Noted][]): Promise<void> {
    try {
      await this.services.storage.users.note(bot, batch.map(activityOf))
    } catch (error) {
      // That the storage is down was told already. Only when closing is it an error of its own, since the counts are lost.
      if (this.closed || !isUnavailable(error)) {
        this.services.events.tell('error', { error, during: 'users.note' })
      }
      for (const [key, noted] of batch) this.takeBack(bot, key, noted)
    }
  }

  /** What was not written is written with what came since. Where the answer alone was lost, it counts twice. */
  private takeBack(bot: number, key: Key, { at, counts }: Noted): void {
    const noted = this.notedOf(bot, key, at)
    if (noted === undefined) {
      this.dropped += counts.reduce((sum, n, index) => (index === DENIALS ? sum : sum + n), 0)
      return
    }
    noted.at = Math.max(noted.at, at)
    for (let index = 0; index < counts.length; index++) add(noted.counts, index, counts[index] as number)
  }
}

function activityOf([key, { at, counts }]: readonly [Key, Noted]): UserActivity {
  const named = NAMES.map((name, index): [string, number] => [name, counts[index] as number])
  return { key, at, counts: Object.fromEntries(named.filter(([, n]) => n > 0)) }
}

function add(counts: number[], index: number, by: number): void {
  counts[index] = (counts[index] as number) + by
}

function isUnavailable(error: unknown): boolean {
  return error instanceof SentinelError && error.code === 'storage.unavailable'
}
