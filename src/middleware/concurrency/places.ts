import type { MaybePromise } from '../../core/check.js'
import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Key } from '../../core/subject.js'

/** The bounds of places, and how long updates wait for them. */
interface PlacesOptions<T> {
  readonly clock: Clock
  readonly timers: Timers
  /** Most holders of one subject at the same time. */
  readonly most: number
  /** Most waiters of one subject. */
  readonly queue: number
  /** The longest wait. */
  readonly maxWait: Ms
  /** How long a holder keeps its place while others wait for it. */
  readonly deadline: Ms
  /** Most waiters of all subjects together. */
  readonly maxWaiting: number
  /** Most subjects with holders. */
  readonly maxSubjects: number
  /** Called with a holder that kept its place for too long. */
  readonly overdue: (holder: T, ms: Ms) => void
}

/** A place, to be left exactly once. */
export interface Place {
  leave(): void
}

/** The result if no place became free in time; `wait` is how long it takes at most until one is. */
export interface NoPlace {
  readonly wait: Ms
}

/** A running handler that holds a place. */
class Holder<T> implements Place {
  /** The lane of the subject; undefined while this is its only holder and no second update has come. */
  lane: Lane<T> | undefined = undefined

  constructor(
    private readonly places: Places<T>,
    readonly bot: number,
    readonly key: Key,
    readonly told: T,
    readonly since: Ms,
  ) {}

  leave(): void {
    this.places.left(this)
  }
}

interface Waiter<T> {
  readonly told: T
  /** Called with a place, or with the reason that there is none. */
  readonly end: (place: Holder<T> | NoPlace) => void
  readonly callOff: () => void
}

/** The places of one subject. Created with the second update, and kept while there are holders. */
interface Lane<T> {
  readonly bot: number
  readonly key: Key
  /** Holders, in the order in which they began. */
  readonly holders: Set<Holder<T>>
  /** Waiters, in the order in which they came. */
  readonly waiting: Waiter<T>[]
  disarm: (() => void) | undefined
}

type Lanes<T> = Map<Key, Holder<T> | Lane<T>>

/** Most subjects that are searched for one whose handlers hang. */
const LOOKED_THROUGH = 64

const NOWHERE: Place = { leave: () => undefined }

/**
 * A bounded number of places per subject, given in the order of arrival. A subject with a single holder costs one map entry and
 * no timer: deadlines are checked only while somebody waits.
 */
export class Places<T> {
  /** Lanes by bot. */
  private readonly bots = new Map<number, Lanes<T>>()
  private subjects = 0
  waiting = 0
  /** Number of updates let in without being counted, because there were too many subjects. */
  uncounted = 0
  private closed = false
  private idle: (() => void)[] = []

  constructor(private readonly options: PlacesOptions<T>) {}

  get size(): number {
    return this.subjects
  }

  /** Takes a place, or waits for one. */
  take(bot: number, key: Key, told: T): MaybePromise<Place | NoPlace> {
    const lanes = this.lanesOf(bot)
    const known = lanes.get(key)
    if (known === undefined) {
      if (this.subjects >= this.options.maxSubjects && !this.makeRoom()) {
        this.uncounted++
        return NOWHERE
      }
      const holder = new Holder(this, bot, key, told, this.options.clock())
      lanes.set(key, holder)
      this.subjects++
      return holder
    }
    const lane = known instanceof Holder ? this.widen(lanes, known) : known
    if (!this.hasRoom(lane)) this.turnOut(lane)
    if (this.hasRoom(lane)) return this.hold(lane, told)
    const { queue, maxWaiting } = this.options
    if (this.closed || lane.waiting.length >= queue || this.waiting >= maxWaiting) {
      return { wait: this.untilOverdue(lane) }
    }
    return this.wait(lane, told)
  }

  /** Whether a place is free, or would be taken from a holder past its deadline. Takes none. */
  isFree(bot: number, key: Key): boolean {
    const known = this.bots.get(bot)?.get(key)
    if (known === undefined) return true
    const { most } = this.options
    if (known instanceof Holder) return most > 1 || this.isOverdue(known)
    if (known.waiting.length > 0) return false
    const [oldest] = known.holders
    return known.holders.size < most || (oldest !== undefined && this.isOverdue(oldest))
  }

  /** Frees the place of a holder. Called by {@link Holder.leave} only. */
  left(holder: Holder<T>): void {
    const { lane, bot, key } = holder
    if (lane !== undefined) {
      if (lane.holders.delete(holder)) this.advance(lane)
    } else if (this.bots.get(bot)?.get(key) === holder) this.forget(bot, key)
  }

  /** Refuses all waiters, and lets no later update wait. */
  turnAway(): void {
    this.closed = true
    for (const lanes of this.bots.values()) {
      for (const lane of lanes.values()) {
        if (lane instanceof Holder) continue
        const none = { wait: this.untilOverdue(lane) }
        for (const { end } of lane.waiting.splice(0)) end(none)
        this.arm(lane)
      }
    }
  }

  /** Lets no later update wait; present waiters continue to wait. */
  close(): void {
    this.closed = true
  }

  /** Fulfilled as soon as there are no waiters. */
  async settled(): Promise<void> {
    if (this.waiting > 0) await new Promise<void>((done) => this.idle.push(done))
  }

  private lanesOf(bot: number): Lanes<T> {
    let lanes = this.bots.get(bot)
    if (lanes === undefined) {
      lanes = new Map()
      this.bots.set(bot, lanes)
    }
    return lanes
  }

  private widen(lanes: Lanes<T>, holder: Holder<T>): Lane<T> {
    const { bot, key } = holder
    const lane: Lane<T> = { bot, key, holders: new Set([holder]), waiting: [], disarm: undefined }
    holder.lane = lane
    lanes.set(key, lane)
    return lane
  }

  private hasRoom({ holders, waiting }: Lane<T>): boolean {
    return holders.size < this.options.most && waiting.length === 0
  }

  private hold(lane: Lane<T>, told: T): Holder<T> {
    const holder = new Holder(this, lane.bot, lane.key, told, this.options.clock())
    holder.lane = lane
    lane.holders.add(holder)
    return holder
  }

  private wait(lane: Lane<T>, told: T): Promise<Place | NoPlace> {
    return new Promise((fulfil) => {
      const waiter: Waiter<T> = {
        told,
        end: (place) => {
          waiter.callOff()
          fulfil(place)
          this.waiting--
          if (this.waiting === 0) for (const done of this.idle.splice(0)) done()
        },
        callOff: this.options.timers.after(this.options.maxWait, () => {
          const at = lane.waiting.indexOf(waiter)
          if (at < 0) return
          lane.waiting.splice(at, 1)
          waiter.end({ wait: this.untilOverdue(lane) })
          this.advance(lane)
        }),
      }
      this.waiting++
      lane.waiting.push(waiter)
      this.arm(lane)
    })
  }

  /** Gives free places to waiters, in order. */
  private advance(lane: Lane<T>): void {
    while (lane.holders.size < this.options.most) {
      const next = lane.waiting.shift()
      if (next === undefined) break
      next.end(this.hold(lane, next.told))
    }
    this.arm(lane)
    if (lane.holders.size === 0) this.forget(lane.bot, lane.key)
  }

  /** Sets the timer for the oldest holder's deadline while somebody waits. */
  private arm(lane: Lane<T>): void {
    lane.disarm?.()
    lane.disarm = undefined
    if (lane.waiting.length === 0) return
    const wait = Math.max(1, this.untilOverdue(lane))
    lane.disarm = this.options.timers.after(wait, () => {
      lane.disarm = undefined
      this.turnOut(lane)
      this.arm(lane)
    })
  }

  private untilOverdue({ holders }: Lane<T>): Ms {
    const [oldest] = holders
    return oldest === undefined ? 0 : Math.max(0, this.options.deadline - this.ageOf(oldest))
  }

  /** Takes the places of holders past their deadline; these continue to run beside the others. */
  private turnOut(lane: Lane<T>): void {
    for (const holder of [...lane.holders]) {
      const age = this.ageOf(holder)
      if (age < this.options.deadline) break
      lane.holders.delete(holder)
      this.options.overdue(holder.told, age)
    }
    if (lane.waiting.length > 0) this.advance(lane)
  }

  private isOverdue(holder: Holder<T>): boolean {
    return this.ageOf(holder) >= this.options.deadline
  }

  /** Returns how long a holder has had its place; never negative, even if the clock was set back. */
  private ageOf({ since }: Holder<T>): Ms {
    return Math.max(0, this.options.clock() - since)
  }

  /** Drops a subject without waiters all of whose holders are past their deadline, if there is one among the oldest subjects. */
  private makeRoom(): boolean {
    let looked = 0
    for (const lanes of this.bots.values()) {
      for (const known of lanes.values()) {
        if (looked++ >= LOOKED_THROUGH) return false
        const lane = known instanceof Holder ? this.widen(lanes, known) : known
        if (lane.waiting.length > 0) continue
        this.turnOut(lane)
        if (lane.holders.size > 0) continue
        this.forget(lane.bot, lane.key)
        return true
      }
    }
    return false
  }

  private forget(bot: number, key: Key): void {
    if (this.bots.get(bot)?.delete(key) === true) this.subjects--
  }
}
