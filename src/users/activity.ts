import type { Context } from 'grammy'
import type { Ms } from '../core/duration.js'
import { isUnavailable, SentinelError } from '../core/errors.js'
import type { Facts } from '../core/facts.js'
import { endsWithin } from '../core/in-time.js'
import { ACTIVITIES } from '../core/kinds.js'
import { Heartbeat, SharedTimer } from '../core/request-bound.js'
import type { Key } from '../core/subject.js'
import type { SentinelFlavor } from '../middleware/chain/control.js'
import type { DeniedEvent } from '../middleware/events.js'
import type { Services } from '../middleware/services.js'
import type { UserActivity } from '../storage/contract/users.js'

/** Time between two writes. */
const EVERY: Ms = 1000
/** How long `close()` and an erasure wait for the next answer to a write, which a locked table may hold up. */
const WAIT: Ms = 2500
/** A write that fails after this long was waited for because its answer was lost, of which nothing else is reported. */
const LOST: Ms = 60_000
/** Most users recorded between two writes. */
const MOST_USERS = 10_000
/** Most users in one write. */
const BATCH = 1000

/** What is counted for a user: updates by activity, and stopped updates. */
const NAMES: readonly string[] = [...ACTIVITIES, 'denials']
const DENIALS = NAMES.length - 1
const INDEX_OF = new Map(ACTIVITIES.map((activity, index) => [activity, index]))
const NOTHING: readonly number[] = NAMES.map(() => 0)

/**
 * The state of activity recording.
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
  /** Users whose activity is not written yet. */
  readonly waiting: number
  /** Updates that were not counted, because too many users were waiting to be written. */
  readonly dropped: number
}

interface Noted {
  at: Ms
  /** Counts by index in `NAMES`: a list is faster than a map, and every update is counted here. */
  readonly counts: number[]
  /** The user was erased while these were being written, so that they are neither sent nor kept any more. */
  isErased?: true
  /** The write of the batch that contains these; undefined while they are not sent. */
  sent?: Promise<void>
}

/**
 * Records who was seen and what they did. Counts are collected in memory and written to the storage once a second, in a few round
 * trips; no update waits for the write. On platforms where timers end with their request, the first request that records
 * something is kept alive until the write.
 */
export class ActivityRecorder {
  private noted = new Map<number, Map<Key, Noted>>()
  private waiting = 0
  private dropped = 0
  private readonly timer: SharedTimer
  private writing: Promise<void> | undefined
  /** The part of the current write that is not written yet. */
  private unwritten = this.noted
  private readonly heartbeat: Heartbeat
  /** On platforms where timers end with requests: whether background work keeps the request alive. */
  private isKept = true
  /** Ends the wait that keeps a request alive. */
  private letGo: (() => void) | undefined
  private stop: (() => void) | undefined
  private closed = false
  /** Batches that were written. */
  private answers = 0
  /** `close()` has reported that the latest activity may be lost. */
  private isLossReported?: true

  constructor(
    private readonly services: Services,
    on: boolean,
  ) {
    const { steady, timers } = services
    this.timer = new SharedTimer(steady, timers)
    this.heartbeat = new Heartbeat(steady)
    this.turn(on)
  }

  get health(): ActivityHealth | undefined {
    return this.stop === undefined ? undefined : { waiting: this.waiting, dropped: this.dropped }
  }

  /** Starts or stops recording; counts that were collected are still written. */
  turn(on: boolean): void {
    if (on === (this.stop !== undefined)) return
    if (!on) {
      this.stop?.()
      this.stop = undefined
      return
    }
    const { events, clock } = this.services
    // With watch() and not on(): a webhook refuses floods unparsed only while there are no active listeners, and passive ones do not count.
    const stops = [
      events.watch('allowed', ({ facts, ctx }) => {
        // A repeated update was counted when it first came, even if its handler failed.
        const { sentinel } = ctx as Context & Partial<SentinelFlavor>
        if (sentinel?.isRepeated !== true) this.note(ctx.me.id, facts, clock(), 1, 0)
      }),
      events.watch('denied', (told) => this.noteDenial(told, clock())),
    ]
    this.stop = () => {
      for (const each of stops) each()
    }
  }

  /**
   * Drops the counts of a user who is being erased, so that they are not written again. Resolves to false if they were sent and may
   * still be written, after the erasure.
   */
  async forget(bot: number, key: Key): Promise<boolean> {
    const drop = (): void => {
      if (this.noted.get(bot)?.delete(key) === true) this.waiting--
    }
    const { underWay } = this
    drop()
    const noted = this.unwritten.get(bot)?.get(key)
    if (noted !== undefined) noted.isErased = true
    const isOver =
      noted?.sent === undefined ||
      underWay === undefined ||
      (await endsWithin(noted.sent, WAIT, this.services.timers))
    drop()
    return isOver
  }

  /** Writes all pending counts once, until a time; an error is reported as an event. */
  private async drain(until: Ms): Promise<void> {
    if (await this.endsInTime(until, this.underWay)) {
      this.writeAside()
      if (await this.endsInTime(until, this.writing)) return
    }
    const users = [...this.unwritten.values()].reduce((sum, { size }) => sum + size, this.waiting)
    const lost = new SentinelError(
      'storage.unavailable',
      `close: the storage did not answer in time; the latest activity of ${users} users may be lost.`,
    )
    this.services.failed(lost, 'users.note')
    this.isLossReported = true
  }

  /** Waits for a write as long as its batches are answered, until a time at most. Resolves with whether it has ended. */
  private async endsInTime(until: Ms, writing = Promise.resolve()): Promise<boolean> {
    const { answers } = this
    const { steady, timers } = this.services
    if (await endsWithin(writing, Math.min(WAIT, until - steady()), timers)) return true
    return answers !== this.answers && until > steady() && this.endsInTime(until, writing)
  }

  /** Stops recording, writes pending counts and releases the timer. Ends after `within`, or after `WAIT` if that is longer. */
  async close(within: Ms): Promise<void> {
    this.turn(false)
    this.closed = true
    this.timer.off()
    await this.drain(this.services.steady() + Math.max(within, WAIT))
  }

  private noteDenial({ facts, ctx, verdict, wasAllowed, isFirst }: DeniedEvent, now: Ms): void {
    // A duplicate was counted when it first came; an update that was admitted and denied later was counted when it was admitted.
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
      // The request with the timer has ended, since nothing kept it alive: this request writes at once.
      this.isKept = false
      timer.off()
      this.letGo?.()
      this.writeAside()
    } else if (timer.mayBeLost && this.isKept) this.services.background.run('users.note', () => this.held())
    else timer.set(EVERY, () => this.writeAside())
  }

  /** Waits for a second and then for the write. As background work, it keeps the request alive. */
  private async held(): Promise<void> {
    await new Promise<void>((end) => {
      this.letGo = end
      this.timer.set(EVERY, end)
    })
    if (!this.closed) this.writeAside()
    await this.writing
  }

  /** The current write. A write that ended with its request is given up, and its counts become pending again. */
  private get underWay(): Promise<void> | undefined {
    if (this.writing !== undefined && this.heartbeat.isLost) {
      this.writing = undefined
      for (const [bot, users] of this.unwritten)
        for (const [key, noted] of users) this.takeBack(bot, key, noted)
    }
    return this.writing
  }

  /** Starts a write that nobody waits for. Never rejects. */
  private writeAside(): void {
    // What is collected during a write is written a second later.
    if (this.underWay !== undefined) {
      this.arm()
      return
    }
    this.heartbeat.beat()
    const writing = this.write().finally(() => {
      // The write was given up in the meantime; another may be running.
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
        const batch = all.slice(i, i + BATCH).filter(([, { isErased }]) => !isErased)
        const sent = this.writeBatch(bot, batch)
        for (const [, noted] of batch) noted.sent = sent
        await sent
        this.heartbeat.beat()
        for (const [key] of batch) users.delete(key)
      }
    }
  }

  private async writeBatch(bot: number, batch: readonly [Key, Noted][]): Promise<void> {
    const { storage, steady } = this.services
    const began = steady()
    try {
      await storage.users.note(bot, batch.map(activityOf))
      this.answers++
    } catch (error) {
      // An outage of the storage has been reported already. On close the counts are lost, so it is reported as an error.
      if (!this.isLossReported && (this.closed || !isUnavailable(error) || steady() - began > LOST)) {
        this.services.failed(error, 'users.note')
      }
      for (const [key, noted] of batch) this.takeBack(bot, key, noted)
    }
  }

  /** Makes counts pending again after a failed write. If only the confirmation was lost, they are counted twice. */
  private takeBack(bot: number, key: Key, { at, counts, isErased }: Noted): void {
    if (isErased) return
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
