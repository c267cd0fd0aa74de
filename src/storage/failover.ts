import { isPromise, type Judge, type MaybePromise, type Plan } from '../core/check.js'
import { checkedClock } from '../core/checked-clock.js'
import { checkedTimers } from '../core/checked-timers.js'
import { type Clock, quietTimers, steadyClock, systemClock, type Timers } from '../core/clock.js'
import type { Duration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { checkNames } from '../core/option-names.js'
import { type Key, keyText } from '../core/subject.js'
import type { Archive } from './contract/archive.js'
import type { ChangeListener, StorageChange } from './contract/changes.js'
import type { ConditionListener, Observable, StorageCondition } from './contract/condition.js'
import { Listeners } from './contract/listeners.js'
import { checkPlan } from './contract/plan.js'
import { type SessionStorage, type SessionsOptions, sessionsOver } from './contract/sessions.js'
import type { Storage, StorageHealth } from './contract/storage.js'
import type { Users } from './contract/users.js'
import { touched, type Values } from './contract/values.js'
import { archiveOf } from './failover/archive.js'
import { cursorOf, pageOf } from './failover/cursor.js'
import { FailoverJudge } from './failover/judge.js'
import { type MarkWrite, Member } from './failover/member.js'
import { withProtection } from './protection/with-protection.js'
import { NOT_ASKED } from './resilient/line.js'
import { breakerOf, span } from './resilient/options.js'
import { isAlike } from './resilient/plans.js'
import { isOfTheCaller } from './resilient/reason.js'
import type { PatientMarks } from './shared/patient-marks.js'

/**
 * Options of {@link failover}. Durations are texts such as `'100ms'`, or milliseconds.
 *
 * @example
 * ```ts
 * import { type FailoverOptions, failover, memory } from 'grammy-sentinel'
 *
 * const eager: FailoverOptions = { timeout: '50ms', breaker: 3 }
 * failover([memory(), memory()], eager) // put storages of yours in their places
 * ```
 */
export interface FailoverOptions {
  /**
   * How long one storage may take before the next is asked. Keep it below half of the `timeout` of {@link resilient}, so that the
   * next storage can still answer in time. Writes, pages of a scan, resets and the reads of an import, which no update waits for,
   * may take eight times as long.
   * @default '100ms'
   */
  readonly timeout?: Duration
  /** Number of consecutive failures after which a storage counts as down. @default 5 */
  readonly breaker?: number
  /** Longest interval between two checks whether a storage is back. @default '200ms' */
  readonly probeEvery?: Duration
  /** Tells the time. @default Date.now; time-outs use a monotonic clock */
  readonly clock?: Clock
  /** Schedules time-outs and probes. @default setTimeout, without keeping the process alive */
  readonly timers?: Timers
}

/**
 * Uses the first of several storages that answers. Moves on to the next when one fails, and back when it has recovered.
 *
 * - Marks (blocks, roles) are written to all storages. A storage that was down receives the marks it has missed, up to 10,000,
 *   before it is used again, except where it holds something newer. Marks that existed before the storages were combined are not
 *   copied; use `guard.export()` and `guard.import()` for that.
 * - `values`, sessions and `users` are written to all storages that are up. A storage that was down does not receive these later.
 * - Limits, claims and penalties are counted only by the storage in use, so a subject that had used up a limit gets a fresh one
 *   after each move.
 *
 * Each process moves by itself: while some processes reach the first storage and others do not, they count separately.
 * `sentinel()` adds time-outs and a fallback in case no storage answers.
 *
 * @param storages Two or more, in order of preference.
 * @throws SentinelError `option.unknown`, `option.invalid`, `duration.invalid`.
 *
 * @example
 * ```ts
 * import { failover, memory, sentinel } from 'grammy-sentinel'
 *
 * const storage = failover([memory(), memory()]) // put storages of yours in their places
 * const guard = sentinel({ storage })
 * const { storage: how } = await guard.health()
 * console.log(how.inUse, how.storages?.map(({ kind, ok }) => `${kind} ${ok}`)) // 0 ['memory true', 'memory true']
 * ```
 */
export function failover(storages: readonly Storage[], options: FailoverOptions = {}): Storage {
  checkNames('failover', options, ['timeout', 'breaker', 'probeEvery', 'clock', 'timers'])
  return withProtection(new FailoverStorage(storages, options))
}

class FailoverStorage implements Storage, Observable {
  readonly remote = true
  readonly kind = 'failover'
  readonly marks: PatientMarks
  readonly users: Users
  readonly values: Values
  private readonly members: readonly Member[]
  private readonly clock: Clock
  /** By plan name. */
  private readonly latest = new Map<string, FailoverJudge>()
  private readonly changes = new Listeners<StorageChange>()
  private readonly conditions = new Listeners<StorageCondition>()
  private watching = false
  private inUse = 0
  private closing: Promise<void> | undefined

  constructor(storages: readonly Storage[], options: FailoverOptions) {
    if (!Array.isArray(storages) || storages.length < 2 || new Set(storages).size < storages.length) {
      throw new SentinelError(
        'option.invalid',
        'failover: two or more different storages are needed: failover([first, second]).',
      )
    }
    const { clock = systemClock, timers = quietTimers } = options
    this.clock = checkedClock(clock, 'failover.clock')
    checkedTimers(timers, 'failover.timers')
    this.members = storages.map(
      (storage, index) =>
        new Member(storage, index, {
          timeout: span('failover.timeout', options.timeout ?? 100),
          breaker: breakerOf('failover.breaker', options.breaker),
          spacing: span('failover.probeEvery', options.probeEvery ?? 200),
          clock,
          steady: options.timers === undefined ? steadyClock : clock,
          timers,
          tell: (condition) => this.conditions.tell(condition),
          // Writes to all storages are reported by all of them, so only the reports of the storage in use are passed on.
          changed: (member, change) => {
            if (member.index === this.inUse) this.heard(change)
          },
          moved: () => this.moved(),
        }),
    )
    this.marks = this.marksOfAll()
    this.users = this.usersOfAll()
    this.values = this.valuesOfAll()
  }

  async prepare(plan: Plan): Promise<Judge> {
    if (this.closing !== undefined) {
      throw new SentinelError('storage.closed', 'failover: closed. Make a new one with failover().')
    }
    checkPlan(plan)
    const judge = new FailoverJudge(plan, this.members)
    const former = this.latest.get(plan.name)
    this.latest.set(plan.name, judge)
    // Each storage's judge of the former plan keeps deciding until that storage has compiled the new plan.
    if (former !== undefined && isAlike(former.plan, plan)) judge.takeOver(former)
    const barred = await Promise.all(this.members.map((member) => member.prepare(judge)))
    if (barred.every((error) => error !== undefined)) throw barred[0]
    // No storage has compiled the plan yet. All may still be connecting, so wait once more for the first one to do so.
    if (!judge.isTaken) {
      const { line } = this.members[0] as Member
      await line.try(() => judge.taken(), true).catch(() => undefined)
    }
    return judge
  }

  get archive(): Archive | undefined {
    return archiveOf(this.members, userId)
  }

  sessions<T>(options?: SessionsOptions<T>): SessionStorage<T> {
    return sessionsOver(this.values, options, this.clock)
  }

  /** Reports changes seen by the storage in use, and a gap after each move, with `lost` if that storage reports none. */
  watch(listener: ChangeListener): () => void {
    this.watching = true
    this.watchAll()
    const stop = this.changes.add(listener)
    const inUse = this.members[this.inUse] as Member
    if (inUse.lost !== undefined) listener(gapOf(inUse))
    return stop
  }

  observe(listener: ConditionListener): () => void {
    return this.conditions.add(listener)
  }

  reset(bot: number, key: Key, slot?: string): MaybePromise<void> {
    return this.everywhere('reset', [], ({ storage }) => storage.reset(bot, key, slot))
  }

  /** Never rejects. `ok` as long as one of the storages is. */
  async health(): Promise<StorageHealth> {
    const storages = await Promise.all(this.members.map((member) => member.health()))
    return { ok: storages.some(({ ok }) => ok), kind: 'failover', inUse: this.inUse, storages }
  }

  /**
   * Closes all storages.
   *
   * @throws SentinelError `storage.unavailable` if a storage was not given all the marks it has missed.
   */
  close(): Promise<void> {
    this.closing ??= this.end()
    return this.closing
  }

  private async end(): Promise<void> {
    for (const { changes } of this.members) changes.stop()
    this.changes.clear()
    const missed = await Promise.all(this.members.map((member) => member.stop()))
    const closed = await Promise.allSettled(
      this.members.map(({ line, storage }) => line.try(async () => storage.close(), true)),
    )
    for (const { line } of this.members) line.stop()
    this.conditions.clear()
    const behind = missed.findIndex((marks) => marks > 0)
    if (behind >= 0) {
      const what = `close: storage ${behind} never received ${missed[behind]} marks that it had missed`
      throw new SentinelError('storage.unavailable', `${what}; the others have them.`)
    }
    closed.forEach((each, index) => {
      if (each.status === 'fulfilled') return
      throw (this.members[index] as Member).line.unavailable('close', each.reason)
    })
  }

  private marksOfAll(): PatientMarks {
    const write = <T>(what: string, one: MarkWrite<T>): MaybePromise<T> =>
      this.by(
        what,
        (member, instead) => member.write(one, instead),
        // All other members get the write in the background, including those that failed to write it.
        (taken) => {
          for (const member of this.members) if (member !== taken) member.keepUp(one)
        },
      )
    return {
      get: (bot, key, name, patient = false) =>
        this.first('marks.get', (member) => member.markOf(bot, key, name, patient), { patient }),
      of: (bot, key) => this.first('marks.of', (member) => member.marksOf(bot, key)),
      scan: (bot, name, from, size) =>
        this.scan('marks.scan', from, (member, at) => member.markPage(bot, name, at, size)),
      put: (bot, name, entries) =>
        write('marks.put', {
          touched: [bot, name, entries.map(({ key }) => key)],
          writes: () => entries.map(({ key, mark }) => ({ bot, name, key, mark, at: mark.since })),
          work: (marks) => marks.put(bot, name, entries),
        }),
      remove: (bot, name, keys) => {
        const at = this.clock()
        return write('marks.remove', {
          touched: [bot, name, keys],
          writes: () => keys.map((key) => ({ bot, name, key, mark: undefined, at })),
          work: (marks) => marks.remove(bot, name, keys),
        })
      },
    }
  }

  private usersOfAll(): Users {
    return {
      get: (...args) => this.first('users.get', ({ storage }) => storage.users.get(...args)),
      scan: (bot, from, size) =>
        this.scan('users.scan', from, ({ storage }, at) => storage.users.scan(bot, at, size)),
      note: (bot, activity) => {
        const ids = activity.map(({ key }) => userId(bot, key))
        // The call adds to counts, so a storage that applied it but answered too late must not receive it twice.
        return this.everywhere('users.note', ids, ({ storage }) => storage.users.note(bot, activity), 'once')
      },
      patch: (bot, key, data) =>
        this.everywhere('users.patch', [userId(bot, key)], ({ storage }) =>
          storage.users.patch(bot, key, data),
        ),
      erase: (bot, key) =>
        this.everywhere('users.erase', [userId(bot, key)], ({ storage }) => storage.users.erase(bot, key)),
    }
  }

  private valuesOfAll(): Values {
    return {
      get: (...args) => this.first('values.get', ({ storage }) => storage.values.get(...args)),
      scan: (space, from, size) =>
        this.scan('values.scan', from, ({ storage }, at) => storage.values.scan(space, at, size)),
      put: (space, key, value, until) =>
        this.everywhere('values.put', [valueId(space, key)], ({ storage }) =>
          storage.values.put(space, key, value, until),
        ),
      touch: (space, key, until) =>
        this.everywhere('values.touch', [valueId(space, key)], ({ storage }) =>
          touched(storage.values, space, key, until),
        ),
      remove: (space, key) =>
        this.everywhere('values.remove', [valueId(space, key)], ({ storage }) =>
          storage.values.remove(space, key),
        ),
    }
  }

  /** Reads the first page from the first storage that answers and all later pages from the same one: cursors are not portable. */
  private scan<P extends { readonly next?: string }>(
    what: string,
    from: string | undefined,
    read: (member: Member, from?: string) => MaybePromise<P>,
  ): MaybePromise<P> {
    const pageFrom = (member: Member, at?: string): MaybePromise<P> => {
      const page = read(member, at)
      return isPromise(page) ? page.then((read) => pageOf(read, member.index)) : pageOf(page, member.index)
    }
    if (from === undefined) return this.first(what, (member) => pageFrom(member), { patient: true })
    const { index, from: at } = cursorOf(from, this.members.length)
    const member = this.members[index] as Member
    const also = ` The previous pages came from storage ${index}, and no other can continue them. Start over to read from another.`
    return member.line.ask(
      () => pageFrom(member, at),
      (error) => member.line.refuse(what, error, also),
      true,
    )
  }

  /** Asks the storages in order until one answers, and calls `done` with that one. */
  private first<T>(
    what: string,
    work: (member: Member) => MaybePromise<T>,
    { patient = false, done }: { readonly patient?: boolean; readonly done?: (member: Member) => void } = {},
  ): MaybePromise<T> {
    return this.by(what, (member, instead) => member.line.ask(() => work(member), instead, patient), done)
  }

  private by<T>(
    what: string,
    ask: (member: Member, instead: (error: unknown) => MaybePromise<T>) => MaybePromise<T>,
    done?: (member: Member) => void,
    index = 0,
    error: unknown = NOT_ASKED,
  ): MaybePromise<T> {
    const member = this.members[index]
    if (member === undefined) return (this.members[0] as Member).line.refuse(what, error)
    let moved = false
    const answer = ask(member, (error) => {
      if (isOfTheCaller(error)) throw error
      moved = true
      return this.by(what, ask, done, index + 1, error)
    })
    const told = (value: T): T => {
      if (!moved) done?.(member)
      return value
    }
    if (!isPromise(answer)) return told(answer)
    return done === undefined ? answer : answer.then(told)
  }

  /**
   * Writes to the first storage that answers, then to all others that are up. Storages that failed before it are tried again,
   * although they may have done the write all the same; `once` leaves those out.
   */
  private everywhere<T>(
    what: string,
    ids: readonly string[],
    work: (member: Member) => MaybePromise<T>,
    often: 'again' | 'once' = 'again',
  ): MaybePromise<T> {
    return this.first(what, (member) => member.inTurn(ids, () => work(member)), {
      patient: true,
      done: (taken) => {
        for (const member of this.members) {
          if (member === taken || (often === 'once' && member.index < taken.index)) continue
          member.follow(ids, () => work(member))
        }
      },
    })
  }

  /** Watches every storage once. A storage whose watch failed is tried again when it is back. */
  private watchAll(): void {
    for (const { changes } of this.members) changes.start()
  }

  private heard(change: StorageChange): void {
    try {
      this.changes.tell(change)
    } catch (error) {
      this.conditions.tell({ is: 'failed', error, during: 'storage.watch' })
    }
  }

  /** Called when the first storage that is up may be another one. */
  private moved(): void {
    if (this.watching && this.closing === undefined) this.watchAll()
    const up = this.members.findIndex(({ isUp }) => isUp)
    if (up < 0 || up === this.inUse) return
    this.inUse = up
    this.heard(gapOf(this.members[up] as Member))
  }
}

function gapOf({ lost }: Member): StorageChange {
  return { kind: 'gap', lost }
}

function userId(bot: number, key: Key): string {
  return `user ${bot} ${keyText(key)}`
}

function valueId(space: string, key: string): string {
  return `value ${space} ${key}`
}
