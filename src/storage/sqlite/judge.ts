import type {
  Ask,
  Check,
  Decision,
  Judge,
  Plan,
  Receipt,
  RefusalCause,
  Settlement,
} from '../../core/check.js'
import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { type Limit, limitWithin } from '../../core/limit.js'
import { isLimited, isSoundLimit, variantsOf } from '../contract/plan.js'
import { applyConsequence } from '../memory/consequence.js'
import { ToldMoment } from '../remote/moment.js'
import { storedKey } from '../shared/sql.js'
import * as claims from './claims.js'
import { type Column, columnsOf, isClaim } from './columns.js'
import type { Link } from './link.js'
import type { HeldMark, SqliteMarks } from './marks.js'
import { LimitRecord } from './records.js'
import type { KeptTime } from './time.js'

/** Shared by all judges of one storage. */
export interface SqliteShared {
  readonly link: Link
  readonly marks: SqliteMarks
  readonly clock: Clock
  readonly time: KeptTime
  /** Returns numbers that are unique among all processes; they identify who took a claim. */
  readonly nextSerial: () => number
}

/** What has been read for one ask: each record, and all marks of each subject, at most once. */
interface Look {
  readonly ask: Ask
  readonly at: Ms
  readonly now: Ms
  readonly keys: readonly (string | undefined)[]
  readonly records: (LimitRecord | undefined)[]
  readonly marks: (ReadonlyMap<string, HeldMark> | undefined)[]
}

/** Replaces the serial of a receipt that has been settled. */
const SETTLED = -1

/** The receipt of an admission. */
interface SqliteReceipt extends Receipt {
  readonly judge: SqliteJudge
  readonly now: Ms
  serial: number
  readonly taken: readonly number[]
  charged: readonly number[]
  readonly limits: readonly (Limit | undefined)[]
}

/** Decides an ask in one transaction: reads what it needs, judges in order, writes what has changed. */
export class SqliteJudge implements Judge {
  readonly columns: readonly Column[]
  /** The time passed by callers. */
  private readonly told: ToldMoment

  constructor(
    readonly plan: Plan,
    private readonly shared: SqliteShared,
    /** Returns the latest judge of the plan's name. */
    private readonly latest: () => SqliteJudge,
    earlier: SqliteJudge | undefined,
  ) {
    this.columns = shared.link.write(() => columnsOf(plan, shared.link))
    this.told = earlier?.told ?? new ToldMoment()
  }

  async evaluate(ask: Ask, at?: Ms): Promise<Decision> {
    const { link, clock, time } = this.shared
    return link.write(() => {
      if (at !== undefined) return this.decide(this.look(ask, at, this.told.advance(at)), true)
      const now = clock()
      return this.decide(this.look(ask, now, time.advance(now)), true)
    })
  }

  async peek(ask: Ask, at?: Ms): Promise<Decision> {
    const { link, clock, time } = this.shared
    return link.read(() => {
      if (at !== undefined) return this.decide(this.look(ask, at, this.told.at(at)), false)
      const now = clock()
      return this.decide(this.look(ask, now, time.at(now)), false)
    })
  }

  async settle(given: Receipt, how: Settlement, check?: number): Promise<void> {
    const { link } = this.shared
    const receipt = given as SqliteReceipt
    // The receipt is marked as settled only after the write, so that a failed settlement can be repeated.
    if (how !== 'refund') {
      if (receipt.serial === SETTLED || receipt.taken.length === 0) return
      link.write(() => this.end(receipt, how))
      receipt.serial = SETTLED
      return
    }
    const own = receipt.charged.filter((index) => check === undefined || check === index)
    if (own.length === 0) return
    link.write(() => this.refund(receipt, own))
    receipt.charged = receipt.charged.filter((index) => !own.includes(index))
  }

  private look(ask: Ask, at: Ms, now: Ms): Look {
    const keys = ask.subjects.map((key) => (key === undefined ? undefined : storedKey(key)))
    return { ask, at, now, keys, records: [], marks: [] }
  }

  private decide(look: Look, commit: boolean): Decision {
    const { ask, now } = look
    const shadowRefusals: number[] = []
    const takes: number[] = []
    const charges: number[] = []
    const limits: (Limit | undefined)[] = []
    let waivesAll = false
    let waivesShadows = false

    for (const column of this.columns) {
      const { check, index } = column
      const cost = ask.costs[index] as number
      if (cost === 0 || look.keys[check.subject] === undefined) continue
      const shadow = check.shadow === true
      const counts = check.kind !== 'absent' && check.kind !== 'present'
      if (counts && (waivesAll || (waivesShadows && shadow))) continue
      if (this.isExempt(look, check)) continue

      let wait = 0
      let by = index
      let cause: RefusalCause = 'check'
      let waives = false
      let takesClaim = false
      if (check.kind === 'absent') wait = this.blockedFor(look, check)
      else if (check.kind === 'present') {
        if (!this.holdsAny(look, check.subject, check.anyOf)) wait = Number.POSITIVE_INFINITY
      } else if (check.kind === 'claim') {
        const standing = claims.standingOf(
          this.shared.link,
          this.claimed(look, column),
          ask.tokens[column.claim] as number,
          now,
        )
        // Looked up by slot, since the plan may have changed. If no check of that slot can refuse any longer, the claim is free.
        const refuser =
          standing?.state === claims.REFUSED
            ? this.columns.findIndex(
                (each) => each.check.slot === standing.refuser && each.check.shadow !== true,
              )
            : -1
        const wasRefused = standing?.state === claims.REFUSED
        if (standing === undefined || (wasRefused && refuser === -1)) takesClaim = true
        else if (standing.state === claims.PAID) {
          takesClaim = true
          waives = true
        } else if (check.whenHeld === 'waive' && !wasRefused) waives = true
        else {
          wait = Math.min(standing.until, standing.leaseUntil) - now
          if (wasRefused) {
            by = refuser
            cause = 'echo'
          }
        }
      } else {
        const limit = this.limitOf(look, check, index)
        limits[index] = limit
        wait = this.record(look, column).waitOf(limit, cost, now)
      }

      const banned = this.bannedUntil(look, column) - now
      if (banned > 0) {
        wait = Math.max(wait, banned)
        by = index
        cause = 'penalty'
        waives = false
      }
      if (wait > 0) {
        if (shadow) {
          shadowRefusals.push(index)
          continue
        }
        let notice = false
        if (cause !== 'echo') {
          if (commit) this.refuseAlbums(look, takes, check.slot)
          notice = this.punished(look, column, cause)
          wait = Math.max(wait, this.bannedUntil(look, column) - now)
        }
        const remaining = this.remaining(look)
        if (commit) this.flush(look)
        const retryAfterMs = Math.ceil(wait)
        return { refusedBy: by, cause, retryAfterMs, remaining, shadowRefusals, notice, waived: false }
      }
      if (takesClaim) takes.push(index)
      if (column.form !== undefined) charges.push(index)
      if (waives && shadow) waivesShadows = true
      if (waives && !shadow) waivesAll = true
    }

    for (const index of charges) {
      const record = this.record(look, this.columns[index] as Column)
      record.charge(limits[index] as Limit, ask.costs[index] as number, now)
    }
    const decision = {
      refusedBy: -1,
      cause: 'check',
      retryAfterMs: 0,
      remaining: this.remaining(look),
      shadowRefusals,
      notice: false,
      waived: waivesAll,
    } as const
    if (!commit) return decision
    const serial = this.shared.nextSerial()
    for (const index of takes) {
      const column = this.columns[index] as Column
      const token = ask.tokens[column.claim] as number
      claims.take(this.shared.link, this.claimed(look, column), token, serial, now)
    }
    this.flush(look)
    const receipt: SqliteReceipt = {
      ask,
      at: look.at,
      judge: this,
      now,
      serial,
      taken: takes,
      charged: charges,
      limits,
    }
    return { ...decision, receipt }
  }

  /** The first part of an album was refused, so all later parts are. */
  private refuseAlbums(look: Look, takes: readonly number[], slot: string): void {
    for (const index of takes) {
      const column = this.columns[index] as Column
      const { check } = column
      if (check.kind !== 'claim' || check.whenHeld !== 'waive' || check.shadow === true) continue
      const token = look.ask.tokens[column.claim] as number
      claims.refuse(this.shared.link, this.claimed(look, column), token, slot, look.now)
    }
  }

  private punished(look: Look, column: Column, cause: RefusalCause): boolean {
    const { onRefusal } = column.check
    return onRefusal === undefined
      ? false
      : applyConsequence(this.record(look, column).penalty, onRefusal, cause, look.now)
  }

  private flush({ records }: Look): void {
    for (const record of records) record?.write()
  }

  private end(receipt: SqliteReceipt, how: 'complete' | 'release'): void {
    const { serial, judge } = receipt
    const now = this.told.told ? this.told.now : this.shared.time.now
    for (const index of receipt.taken) {
      const { check, claim } = judge.columns[index] as Column
      const column = this.latest().columns.find((each) => each.check.slot === check.slot)
      const key = receipt.ask.subjects[check.subject]
      if (column === undefined || !isClaim(check) || key === undefined) continue
      const claimed = { check, place: column.place, bot: receipt.ask.bot, key: storedKey(key) }
      const to = how === 'release' && check.retry === true ? claims.PAID : claims.HELD
      claims.settle(this.shared.link, claimed, receipt.ask.tokens[claim] as number, serial, to, now)
    }
  }

  private refund(receipt: SqliteReceipt, own: readonly number[]): void {
    const { link } = this.shared
    const { ask, judge } = receipt
    for (const index of own) {
      const was = judge.columns[index] as Column
      const column = this.latest().columns.find((each) => each.check.slot === was.check.slot)
      const key = ask.subjects[was.check.subject]
      // A limit that the later plan does not have cannot be refunded.
      if (column === undefined || column.form !== was.form || key === undefined) continue
      const record = new LimitRecord(link, column, ask.bot, storedKey(key))
      record.refund(receipt.limits[index] as Limit, ask.costs[index] as number, receipt.now)
      record.write()
    }
  }

  private record(look: Look, column: Column): LimitRecord {
    let record = look.records[column.index]
    if (record === undefined) {
      const key = look.keys[column.check.subject] as string
      record = new LimitRecord(this.shared.link, column, look.ask.bot, key)
      look.records[column.index] = record
    }
    return record
  }

  private bannedUntil(look: Look, column: Column): Ms {
    if (column.check.onRefusal?.penalty === undefined) return Number.NEGATIVE_INFINITY
    return this.record(look, column).bannedUntil
  }

  private claimed(look: Look, { check, place }: Column): claims.Claimed {
    if (!isClaim(check)) throw new TypeError('no claim')
    return { check, place, bot: look.ask.bot, key: look.keys[check.subject] as string }
  }

  private marksOf(look: Look, scope: number): ReadonlyMap<string, HeldMark> | undefined {
    const key = look.keys[scope]
    if (key === undefined) return undefined
    look.marks[scope] ??= this.shared.marks.heldBy(look.ask.bot, key)
    return look.marks[scope]
  }

  private holdsAny(look: Look, scope: number, names: readonly string[]): boolean {
    const held = this.marksOf(look, scope)
    return held !== undefined && names.some((name) => (held.get(name)?.until ?? 0) > look.at)
  }

  private blockedFor(look: Look, { subject, anyOf }: Check & { kind: 'absent' }): Ms {
    const held = this.marksOf(look, subject)
    return Math.max(0, ...anyOf.map((name) => (held?.get(name)?.until ?? look.at) - look.at))
  }

  private isExempt(look: Look, { unless }: Check): boolean {
    return unless !== undefined && this.holdsAny(look, unless.subject, unless.anyOf)
  }

  private limitOf(look: Look, check: Check, index: number): Limit {
    const own = look.ask.limits?.[index]
    if (own !== undefined) return own
    if (!isLimited(check)) return { amount: 1, per: 1 }
    for (const { mark, subject, limit, within } of variantsOf(check)) {
      const held = this.marksOf(look, subject)?.get(mark)
      if (held === undefined || held.until <= look.at) continue
      if (limit !== 'stored') return limit
      // An invalid stored limit is ignored, so that one bad record does not stop its subject.
      const value: unknown = held.value === null ? undefined : JSON.parse(held.value)
      const own = isSoundLimit(value) ? limitWithin(value, within) : undefined
      if (own !== undefined) return own
    }
    return check.limit
  }

  private remaining(look: Look): readonly number[] {
    return this.columns.map((column) => {
      const { check, index, form } = column
      if (form === undefined || look.ask.costs[index] === 0) return Number.NaN
      if (look.keys[check.subject] === undefined || this.isExempt(look, check)) return Number.NaN
      if (this.bannedUntil(look, column) > look.now) return 0
      return this.record(look, column).leftOf(this.limitOf(look, check, index), look.now)
    })
  }
}
