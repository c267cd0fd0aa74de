import type { Ask, Decision, Judge, Plan, RefusalCause, Settlement } from '../../core/check.js'
import type { Clock } from '../../core/clock.js'
import type { Digest } from '../../core/digest.js'
import type { Ms } from '../../core/duration.js'
import type { Limit } from '../../core/limit.js'
import type { Key } from '../../core/subject.js'
import { BotState, carryOver } from './bot-state.js'
import { FREE, HELD, PAID, REFUSED } from './claims.js'
import { MemoryAdmission, MemoryDecision, NO_SHADOWS } from './decision.js'
import {
  ABSENT,
  BUCKET,
  CLAIM,
  type Column,
  clearColumn,
  depthOf,
  layOut,
  longestLife,
  PRESENT,
  type ScopeLayout,
} from './layout.js'
import * as limits from './limiters.js'
import { liveMark, type MemoryMarks } from './marks.js'
import { punish, withoutSlot } from './penalties.js'
import type { RecordTable } from './records.js'
import { refund, settleClaims } from './settlement.js'
import { chargeWindow, windowLeft, windowWait } from './windows.js'

/**
 * Times in records count from here, so that a double resolves them to some nanoseconds and the arithmetic of
 * limits stays exact.
 */
const EPOCH = Date.UTC(2025, 0, 1)
const UNSEEN = -2
const MISSING = -1

/** May be left out for whoever holds a mark. */
const EXCUSED = 1
/** May be under a penalty. */
const PENAL = 2
/** Its limit may be another than the plan's. */
const VARIED = 4
const SHADOW = 8

/** What judges of one storage share. */
export interface MemoryShared {
  readonly clock: Clock
  readonly cap: number
  readonly marks: MemoryMarks
  readonly digest: Digest
}

/** Decides over one plan in memory: synchronously, and without a promise, a timer or a text on the way. */
export class MemoryJudge implements Judge {
  readonly columns: readonly Column[]
  readonly layouts: readonly ScopeLayout[]
  private readonly bots = new Map<number, BotState>()
  private lastBot: BotState | undefined
  private serial = 0

  /** The clock never goes back for us: when it does, time stands still for that moment and goes on from there. */
  private lastClock = Number.NEGATIVE_INFINITY
  private offset = -EPOCH
  /** After this nothing that an earlier plan holds matters any longer. */
  private previousUntil = 0

  /** The plan's numbers, flat, by check: reading them from objects costs more than the arithmetic. */
  private readonly codes: Uint8Array
  private readonly scopes: Uint8Array
  private readonly offsets: Int32Array
  private readonly amounts: Float64Array
  private readonly pers: Float64Array
  private readonly depths: Float64Array
  /** Bits: EXCUSED, PENAL, VARIED, SHADOW. Zero for most checks. */
  private readonly traits: Uint8Array

  /** Of the ask at hand. By scope: where its record lies. By check: what it would charge. */
  private readonly rows: Int32Array
  private readonly rowCells: (Float64Array | undefined)[]
  private readonly rowOffsets: Int32Array
  private readonly pending: Float64Array
  private inForce: Limit[] | undefined

  constructor(
    readonly plan: Plan,
    private readonly shared: MemoryShared,
    private previous: MemoryJudge | undefined,
  ) {
    const { columns, layouts } = layOut(plan)
    this.columns = columns
    this.layouts = layouts
    this.codes = Uint8Array.from(columns, (column) => column.code)
    this.scopes = Uint8Array.from(columns, (column) => column.scope)
    this.offsets = Int32Array.from(columns, (column) => column.offset)
    this.amounts = Float64Array.from(columns, (column) => column.limit.amount)
    this.pers = Float64Array.from(columns, (column) => column.limit.per)
    this.depths = Float64Array.from(columns, (column) => depthOf(column.limit))
    this.traits = Uint8Array.from(columns, traitsOf)
    this.rows = new Int32Array(plan.scopes.length)
    this.rowCells = plan.scopes.map(() => undefined)
    this.rowOffsets = new Int32Array(plan.scopes.length)
    this.pending = new Float64Array(columns.length)
    if (previous !== undefined) {
      this.lastClock = previous.lastClock
      this.offset = previous.offset
      this.serial = previous.serial
      this.previousUntil =
        Math.max(this.lastClock, shared.clock()) + this.offset + longestLife(previous.columns)
    }
  }

  evaluate(ask: Ask, at: Ms = this.shared.clock()): Decision {
    return this.decide(ask, at, true)
  }

  peek(ask: Ask, at: Ms = this.shared.clock()): Decision {
    return this.decide(ask, at, false)
  }

  settle(receipt: Decision['receipt'], how: Settlement, check?: number): void {
    if (!(receipt instanceof MemoryAdmission)) return
    if (how === 'refund') refund(this, receipt, check)
    else settleClaims(this, receipt, how)
  }

  /** Forgets what a subject has used: of one slot, or all of it. */
  reset(bot: number, key: Key, slot?: string): void {
    const state = this.stateOf(bot)
    for (const column of this.columns) {
      if (slot === undefined || slot === column.check.slot) state.claims[column.index]?.forget(key)
    }
    for (let scope = 0; scope < this.layouts.length; scope++) {
      const table = state.tables[scope] as RecordTable
      const row = this.rowOf(state, scope, key)
      if (row < 0) continue
      if (slot === undefined) {
        table.remove(row)
        continue
      }
      for (const column of this.layouts[scope]?.columns ?? []) {
        if (column.check.slot === slot) clearColumn(column, table.cellsOf(row), table.offsetOf(row))
      }
      table.setPenalty(row, withoutSlot(table.penaltyOf(row), slot))
    }
    // What an earlier plan still holds must not come back: it was carried over above, or is not ours to forget.
    this.previous?.reset(bot, key, slot)
  }

  totals(): { tracked: number; evicted: number; untracked: number; bytes: number } {
    const totals = { tracked: 0, evicted: 0, untracked: 0, bytes: 0 }
    for (const state of this.bots.values()) {
      for (const table of state.tables) {
        totals.tracked += table.size
        totals.evicted += table.evicted
        totals.untracked += table.untracked
        totals.bytes += table.bytes
      }
    }
    return totals
  }

  clear(): void {
    this.bots.clear()
    this.lastBot = undefined
    this.previous = undefined
  }

  /** How many plans back the state may still lie. */
  get depth(): number {
    return this.previous === undefined ? 0 : this.previous.depth + 1
  }

  stateOf(bot: number): BotState {
    if (this.lastBot?.bot === bot) return this.lastBot
    let state = this.bots.get(bot)
    if (state === undefined) {
      const judge = this.previous
      const earlier = judge === undefined ? undefined : { judge, state: judge.stateOf(bot) }
      state = new BotState(bot, this, this.shared, earlier)
      this.bots.set(bot, state)
    }
    this.lastBot = state
    return state
  }

  /** The row of a subject, carried over from the earlier plan if it is still there; or -1. */
  rowOf(state: BotState, scope: number, key: Key): number {
    const number = this.numberOf(key)
    const row = (state.tables[scope] as RecordTable).find(number)
    if (row >= 0 || this.previous === undefined) return row
    const now = this.lastClock + this.offset
    if (now > this.previousUntil) {
      this.previous = undefined
      return row
    }
    return carryOver(this.previous, this, state, scope, key, number, now)
  }

  private decide(ask: Ask, at: Ms, commit: boolean): Decision {
    const now = this.timeOf(at, commit)
    const state = this.lastBot?.bot === ask.bot ? this.lastBot : this.stateOf(ask.bot)
    state.moment.now = now
    const { codes, scopes, traits, pending, rows } = this
    const { costs, subjects } = ask
    // Not fill(): for so few cells the call costs more than the work.
    for (let i = 0; i < rows.length; i++) rows[i] = UNSEEN
    this.inForce = undefined
    let shadowRefusals = NO_SHADOWS
    let waived = false

    for (let i = 0; i < codes.length; i++) {
      pending[i] = 0
      const cost = costs[i] as number
      if (cost === 0) continue
      const code = codes[i] as number
      const key = subjects[scopes[i] as number]
      if (key === undefined || (waived && code >= CLAIM)) continue
      let bannedUntil = 0
      let limit: Limit | undefined
      const trait = traits[i] as number
      if (trait !== 0 || ask.limits !== undefined) {
        const column = this.columns[i] as Column
        if ((trait & EXCUSED) !== 0 && this.excused(column, ask, state, at)) continue
        if ((trait & PENAL) !== 0) bannedUntil = this.bannedUntil(state, column, key, now)
        if (code >= BUCKET && (trait & VARIED || ask.limits !== undefined)) {
          limit = this.limitInForce(column, ask, state, at)
        }
      }

      let retryAfter = 0
      let cause: RefusalCause = 'check'
      let by = i
      if (bannedUntil > now) {
        retryAfter = bannedUntil - now
        cause = 'penalty'
      } else if (code === BUCKET) {
        const scope = scopes[i] as number
        if (rows[scope] === UNSEEN) this.locate(state, scope, key)
        const amount = limit === undefined ? (this.amounts[i] as number) : limit.amount
        const depth = limit === undefined ? (this.depths[i] as number) : depthOf(limit)
        const per = limit === undefined ? (this.pers[i] as number) : limit.per
        const cells = this.rowCells[scope]
        // As bucketMissing() and bucketCharge() say; spelled out, since calls box their numbers.
        let missing = 0
        if (cells !== undefined) {
          const fullAt = cells[(this.rowOffsets[scope] as number) + (this.offsets[i] as number)] as number
          missing = Math.round((fullAt - now) * amount)
          if (missing < 0) missing = 0
          else if (missing > depth) missing = depth
        }
        const charge = cost === 1 ? per : limits.bucketCharge(cost, per)
        if (missing + charge <= depth) pending[i] = missing + charge
        else retryAfter = limits.bucketRetry(missing, charge, depth, amount)
      } else if (code === CLAIM) {
        const column = this.columns[i] as Column
        const claims = state.claims[i] as NonNullable<(typeof state.claims)[number]>
        const token = ask.tokens[column.claim] as number
        const standing = claims.stateOf(key, token)
        if (standing === FREE || standing === PAID) {
          pending[i] = 1
          waived = standing === PAID
        } else if (column.waives && standing < REFUSED) waived = true
        else {
          retryAfter = claims.freeAt(key, token) - now
          if (standing >= REFUSED) {
            by = standing - REFUSED
            cause = 'echo'
          }
        }
      } else if (code === ABSENT || code === PRESENT) {
        retryAfter = this.judgeMarks(i, code, state, key, at)
      } else {
        const column = this.columns[i] as Column
        const scope = scopes[i] as number
        if (rows[scope] === UNSEEN) this.locate(state, scope, key)
        const cells = this.rowCells[scope] ?? column.blank
        const own = cells === column.blank ? 0 : (this.rowOffsets[scope] as number) + column.offset
        retryAfter = windowWait(column, limit ?? column.limit, cells, own, cost, now)
        if (retryAfter === 0) pending[i] = cost
      }

      if (retryAfter === 0) continue
      if ((trait & SHADOW) !== 0) {
        if (shadowRefusals === NO_SHADOWS) shadowRefusals = []
        ;(shadowRefusals as number[]).push(i)
        continue
      }
      const notice = commit && this.refuse(ask, state, by, cause, now, i)
      const left = this.leftOf(ask, state, at, now)
      return new MemoryDecision(by, cause, Math.ceil(retryAfter), left, shadowRefusals, notice, false)
    }

    if (commit) {
      const charged = this.charge(ask, state, now)
      return new MemoryAdmission(
        this,
        ask,
        at,
        now,
        this.serial,
        charged,
        this.inForce,
        shadowRefusals,
        waived,
      )
    }
    const left = this.leftOf(ask, state, at, now)
    // A peek answers as if it had charged.
    for (let i = 0; i < left.length; i++) {
      if (pending[i] !== 0) left[i] = Math.max(0, (left[i] as number) - (ask.costs[i] as number))
    }
    return new MemoryDecision(-1, 'check', 0, left, shadowRefusals, false, waived)
  }

  /** What is left now of the limits that an admission asked for. */
  remainingOf({ ask, wallAt, at }: MemoryAdmission): readonly number[] {
    for (let i = 0; i < this.rows.length; i++) this.rows[i] = UNSEEN
    return this.leftOf(ask, this.stateOf(ask.bot), wallAt, Math.max(at, this.lastClock + this.offset))
  }

  private leftOf(ask: Ask, state: BotState, at: Ms, now: Ms): number[] {
    return this.columns.map((column) => {
      const { scope, index } = column
      const key = ask.subjects[scope]
      if (column.code < BUCKET || ask.costs[index] === 0 || key === undefined) return Number.NaN
      if (column.excused && this.excused(column, ask, state, at)) return Number.NaN
      if (column.penal && this.bannedUntil(state, column, key, now) > now) return 0
      if (this.rows[scope] === UNSEEN) this.locate(state, scope, key)
      const limit = state.limitOf(column, ask, at)
      const cells = this.rowCells[scope] ?? column.blank
      const own = cells === column.blank ? 0 : (this.rowOffsets[scope] as number) + column.offset
      if (column.code !== BUCKET) return windowLeft(column, limit, cells, own, now)
      const depth = depthOf(limit)
      return (depth - limits.bucketMissing(cells[own] as number, now, limit.amount, depth)) / limit.per
    })
  }

  private timeOf(at: Ms, commit: boolean): number {
    const clock = Math.floor(at)
    if (!commit) return Math.max(clock, this.lastClock) + this.offset
    if (clock < this.lastClock) this.offset += this.lastClock - clock
    this.lastClock = clock
    return clock + this.offset
  }

  /** Finds the record of a scope's subject, for the ask at hand. */
  private locate(state: BotState, scope: number, key: Key): void {
    this.place(state, scope, this.rowOf(state, scope, key))
  }

  private place(state: BotState, scope: number, row: number): void {
    const table = state.tables[scope] as RecordTable
    this.rows[scope] = row
    this.rowCells[scope] = row < 0 ? undefined : table.cellsOf(row)
    this.rowOffsets[scope] = row < 0 ? 0 : table.offsetOf(row)
  }

  /** What tables file a subject under: its own number, or below zero the digest of its text. */
  private numberOf(key: Key): number {
    return typeof key === 'number' ? key : -1 - this.shared.digest.number(key)
  }

  private bannedUntil(state: BotState, { scope, check }: Column, key: Key, now: Ms): number {
    if (this.rows[scope] === UNSEEN) this.locate(state, scope, key)
    const row = this.rows[scope] as number
    if (row < 0) return 0
    for (let p = (state.tables[scope] as RecordTable).penaltyOf(row); p !== undefined; p = p.next) {
      if (p.slot === check.slot) return p.bannedUntil > now ? p.bannedUntil : 0
    }
    return 0
  }

  private excused({ index, check }: Column, ask: Ask, state: BotState, at: Ms): boolean {
    const subject = (check.unless as NonNullable<typeof check.unless>).subject
    return this.holdsAny(state.unless[index], ask.subjects[subject], at)
  }

  private holdsAny(holders: BotState['unless'][number], key: Key | undefined, at: Ms): boolean {
    if (key === undefined || holders === undefined) return false
    for (let i = 0; i < holders.length; i++) {
      if (liveMark(holders[i] as NonNullable<(typeof holders)[number]>, key, at) !== undefined) return true
    }
    return false
  }

  /** 0 if the marks are as they should be; else until when they are not. */
  private judgeMarks(index: number, code: number, state: BotState, key: Key, at: Ms): Ms {
    const holders = state.marks[index] as NonNullable<(typeof state.marks)[number]>
    if (code === PRESENT) return this.holdsAny(holders, key, at) ? 0 : Number.POSITIVE_INFINITY
    let until = 0
    for (let i = 0; i < holders.length; i++) {
      const mark = liveMark(holders[i] as NonNullable<(typeof holders)[number]>, key, at)
      if (mark !== undefined) until = Math.max(until, mark.until ?? Number.POSITIVE_INFINITY)
    }
    return until === 0 ? 0 : until - at
  }

  /** The limit of this ask; noted for the charge where it is not the plan's. */
  private limitInForce(column: Column, ask: Ask, state: BotState, at: Ms): Limit {
    if (!column.varied && ask.limits === undefined) return column.limit
    const limit = state.limitOf(column, ask, at)
    if (limit !== column.limit) {
      this.inForce ??= this.columns.map((each) => each.limit)
      this.inForce[column.index] = limit
    }
    return limit
  }

  /** Writes what was found to fit; the limits that were charged, as bits. */
  private charge(ask: Ask, state: BotState, now: Ms): number {
    const { codes, pending, scopes, rows } = this
    const serial = ++this.serial
    let charged = 0
    for (let i = 0; i < codes.length; i++) {
      const amount = pending[i] as number
      if (amount === 0) continue
      const scope = scopes[i] as number
      const key = ask.subjects[scope] as Key
      if (codes[i] === CLAIM) {
        state.claims[i]?.take(key, ask.tokens[(this.columns[i] as Column).claim] as number, HELD, serial)
        continue
      }
      if (rows[scope] === MISSING) this.makeRow(state, scope, key, now)
      const cells = this.rowCells[scope]
      if (cells === undefined) continue
      const at = (this.rowOffsets[scope] as number) + (this.offsets[i] as number)
      const limit = this.inForce?.[i]
      if (codes[i] === BUCKET) {
        cells[at] = now + amount / (limit === undefined ? (this.amounts[i] as number) : limit.amount)
      } else {
        const column = this.columns[i] as Column
        chargeWindow(column, limit ?? column.limit, cells, at, amount, now)
      }
      charged |= 1 << i
    }
    return charged
  }

  /** A record for a subject that has none; none if the table has no room. */
  private makeRow(state: BotState, scope: number, key: Key, now: Ms): void {
    this.place(state, scope, (state.tables[scope] as RecordTable).insert(this.numberOf(key), now))
  }

  /** The consequence of a refusal, and the fate of the album it came with. Whether to say it. */
  private refuse(ask: Ask, state: BotState, by: number, cause: RefusalCause, now: Ms, end: number): boolean {
    if (cause === 'echo') return false
    for (let i = 0; i < end; i++) {
      const { waives, claim, scope } = this.columns[i] as Column
      if (!waives || this.pending[i] === 0) continue
      state.claims[i]?.take(ask.subjects[scope] as Key, ask.tokens[claim] as number, REFUSED + by, 0)
    }
    const { check, scope } = this.columns[by] as Column
    if (check.onRefusal === undefined) return false
    const key = ask.subjects[scope] as Key
    if (this.rows[scope] === UNSEEN) this.locate(state, scope, key)
    if (this.rows[scope] === MISSING) this.makeRow(state, scope, key, now)
    const row = this.rows[scope] as number
    // No room to remember it: better to say it than to stay silent for good.
    if (row < 0) return check.onRefusal.noticeEvery !== undefined
    return punish(state.tables[scope] as RecordTable, row, check.slot, check.onRefusal, cause, now)
  }
}

function traitsOf({ excused, penal, varied, shadow }: Column): number {
  return (excused ? EXCUSED : 0) | (penal ? PENAL : 0) | (varied ? VARIED : 0) | (shadow ? SHADOW : 0)
}
