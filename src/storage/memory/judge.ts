import type { Ask, Decision, Judge, Plan, RefusalCause, Settlement } from '../../core/check.js'
import type { Clock } from '../../core/clock.js'
import type { Digest } from '../../core/digest.js'
import type { Ms } from '../../core/duration.js'
import type { Limit } from '../../core/limit.js'
import type { Key } from '../../core/subject.js'
import { BotState, carryOver } from './bot-state.js'
import { FREE, HELD, PAID, REFUSED } from './claims.js'
import { MemoryDecision } from './decision.js'
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
import { Penalty, withoutSlot } from './penalties.js'
import type { RecordTable } from './records.js'
import { refund, settleClaims } from './settlement.js'
import { chargeWindow, judgeWindow } from './windows.js'

/**
 * Times in records count from here, so that a double resolves them to some nanoseconds and the arithmetic of
 * limits stays exact.
 */
const EPOCH = Date.UTC(2025, 0, 1)
const NONE: readonly number[] = Object.freeze([])
const UNSEEN = -2
const MISSING = -1

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

  /** Of the ask at hand: the row of each scope, what each check would charge, and the limits in force. */
  private readonly rows: Int32Array
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
    this.rows = new Int32Array(plan.scopes.length)
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
    if (!(receipt instanceof MemoryDecision)) return
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

  private decide(ask: Ask, at: Ms, commit: boolean): MemoryDecision {
    const now = this.timeOf(at, commit)
    const state = this.stateOf(ask.bot)
    const { rows, pending, columns } = this
    rows.fill(UNSEEN)
    pending.fill(0)
    this.inForce = undefined
    const remaining: number[] = []
    let shadowRefusals = NONE
    let waived = false

    for (let i = 0; i < columns.length; i++) {
      const column = columns[i] as Column
      const cost = ask.costs[i] as number
      const key = ask.subjects[column.scope]
      if (cost === 0 || key === undefined || (waived && column.code >= CLAIM)) {
        remaining.push(Number.NaN)
        continue
      }
      const unless = column.check.unless
      if (unless !== undefined && this.holdsAny(state.unless[i], ask.subjects[unless.subject], at)) {
        remaining.push(Number.NaN)
        continue
      }

      let retryAfter = 0
      let cause: RefusalCause = 'check'
      let by = i
      let left = Number.NaN
      const bannedUntil = column.penal ? this.bannedUntil(state, column, key, now) : 0
      if (bannedUntil > now) {
        retryAfter = bannedUntil - now
        cause = 'penalty'
        if (column.code >= BUCKET) left = 0
      } else if (column.code === BUCKET) {
        const limit = this.limitOf(column, ask, state, at)
        const depth = depthOf(limit)
        const row = this.row(state, column.scope, key)
        const fullAt =
          row < 0
            ? Number.NEGATIVE_INFINITY
            : ((state.tables[column.scope] as RecordTable).cellsOf(row)[
                (state.tables[column.scope] as RecordTable).offsetOf(row) + column.offset
              ] as number)
        const missing = limits.bucketMissing(fullAt, now, limit.amount, depth)
        const charge = limits.bucketCharge(cost, limit.per)
        if (missing + charge <= depth) {
          pending[i] = missing + charge
          left = (depth - missing - charge) / limit.per
        } else {
          retryAfter = limits.bucketRetry(missing, charge, depth, limit.amount)
          left = (depth - missing) / limit.per
        }
      } else if (column.code === CLAIM) {
        const claims = state.claims[i] as NonNullable<(typeof state.claims)[number]>
        const token = ask.tokens[i] as number
        const standing = claims.stateOf(key, token, now)
        if (standing === FREE || standing === PAID) {
          pending[i] = 1
          waived = standing === PAID
        } else if (standing >= REFUSED) {
          by = standing - REFUSED
          cause = 'echo'
          retryAfter = claims.freeAt(key, token, now) - now
        } else if ((column.check as { whenHeld: string }).whenHeld === 'waive') waived = true
        else retryAfter = claims.freeAt(key, token, now) - now
      } else if (column.code === ABSENT || column.code === PRESENT) {
        retryAfter = this.judgeMarks(column, state, key, at)
      } else {
        const limit = this.limitOf(column, ask, state, at)
        const row = this.row(state, column.scope, key)
        const table = state.tables[column.scope] as RecordTable
        const [wait, rest] = judgeWindow(column, limit, table, row, cost, now)
        retryAfter = wait
        left = rest
        if (wait === 0) pending[i] = cost
      }

      remaining.push(left)
      if (retryAfter === 0) continue
      if (column.shadow) {
        if (shadowRefusals === NONE) shadowRefusals = []
        ;(shadowRefusals as number[]).push(i)
        continue
      }
      while (remaining.length < columns.length) remaining.push(Number.NaN)
      const notice = commit && this.refuse(ask, state, by, cause, now, i)
      const wait = Math.ceil(retryAfter)
      return new MemoryDecision(
        ask,
        now,
        by,
        cause,
        wait,
        remaining,
        shadowRefusals,
        notice,
        false,
        0,
        undefined,
      )
    }

    if (commit) this.charge(ask, state, now)
    const decision = new MemoryDecision(
      ask,
      now,
      -1,
      'check',
      0,
      remaining,
      shadowRefusals,
      false,
      waived,
      this.serial,
      this.inForce,
    )
    if (commit) decision.receipt = decision
    return decision
  }

  private timeOf(at: Ms, commit: boolean): number {
    const clock = Math.floor(at)
    if (!commit) return Math.max(clock, this.lastClock) + this.offset
    if (clock < this.lastClock) this.offset += this.lastClock - clock
    this.lastClock = clock
    return clock + this.offset
  }

  private row(state: BotState, scope: number, key: Key): number {
    const known = this.rows[scope] as number
    if (known !== UNSEEN) return known
    const row = this.rowOf(state, scope, key)
    this.rows[scope] = row
    return row
  }

  /** What tables file a subject under: its own number, or below zero the digest of its text. */
  private numberOf(key: Key): number {
    return typeof key === 'number' ? key : -1 - this.shared.digest.number(key)
  }

  private bannedUntil(state: BotState, column: Column, key: Key, now: Ms): number {
    const row = this.row(state, column.scope, key)
    if (row < 0) return 0
    for (let p = (state.tables[column.scope] as RecordTable).penaltyOf(row); p !== undefined; p = p.next) {
      if (p.slot === column.check.slot) return p.bannedUntil > now ? p.bannedUntil : 0
    }
    return 0
  }

  private holdsAny(holders: BotState['unless'][number], key: Key | undefined, at: Ms): boolean {
    if (key === undefined || holders === undefined) return false
    for (let i = 0; i < holders.length; i++) {
      if (liveMark(holders[i] as NonNullable<(typeof holders)[number]>, key, at) !== undefined) return true
    }
    return false
  }

  /** 0 if the marks are as they should be; else until when they are not. */
  private judgeMarks(column: Column, state: BotState, key: Key, at: Ms): Ms {
    const holders = state.marks[column.index] as NonNullable<(typeof state.marks)[number]>
    if (column.code === PRESENT) return this.holdsAny(holders, key, at) ? 0 : Number.POSITIVE_INFINITY
    let until = 0
    for (let i = 0; i < holders.length; i++) {
      const mark = liveMark(holders[i] as NonNullable<(typeof holders)[number]>, key, at)
      if (mark !== undefined) until = Math.max(until, mark.until ?? Number.POSITIVE_INFINITY)
    }
    return until === 0 ? 0 : until - at
  }

  /** The limit in force: the ask's own, or that of the first variant whose mark is held, or the plan's. */
  private limitOf(column: Column, ask: Ask, state: BotState, at: Ms): Limit {
    let limit = column.limit
    const own = ask.limits?.[column.index]
    if (own !== undefined) limit = own
    else if (column.varied) limit = state.variantOf(column, ask, at) ?? limit
    if (limit !== column.limit || this.inForce !== undefined) {
      this.inForce ??= this.columns.map((each) => each.limit)
      this.inForce[column.index] = limit
    }
    return limit
  }

  private charge(ask: Ask, state: BotState, now: Ms): void {
    const { columns, pending } = this
    const serial = ++this.serial
    for (let i = 0; i < columns.length; i++) {
      const amount = pending[i] as number
      if (amount === 0) continue
      const column = columns[i] as Column
      const key = ask.subjects[column.scope] as Key
      if (column.code === CLAIM) {
        state.claims[i]?.take(key, ask.tokens[i] as number, now, HELD, serial)
        continue
      }
      const row = this.madeRow(state, column.scope, key, now)
      if (row < 0) continue
      const table = state.tables[column.scope] as RecordTable
      const cells = table.cellsOf(row)
      const at = table.offsetOf(row) + column.offset
      const limit = this.inForce?.[i] ?? column.limit
      if (column.code === BUCKET) cells[at] = now + amount / limit.amount
      else chargeWindow(column, limit, cells, at, amount, now)
    }
  }

  private madeRow(state: BotState, scope: number, key: Key, now: Ms): number {
    const known = this.row(state, scope, key)
    if (known !== MISSING) return known
    const row = (state.tables[scope] as RecordTable).insert(this.numberOf(key), now)
    this.rows[scope] = row
    return row
  }

  /** The consequence of a refusal, and the fate of the album it came with. Whether to say it. */
  private refuse(
    ask: Ask,
    state: BotState,
    by: number,
    cause: RefusalCause,
    now: Ms,
    reached: number,
  ): boolean {
    if (cause === 'echo') return false
    for (let i = 0; i < reached; i++) {
      const { check } = this.columns[i] as Column
      if (this.pending[i] === 0 || check.kind !== 'claim' || check.whenHeld !== 'waive') continue
      state.claims[i]?.take(ask.subjects[check.subject] as Key, ask.tokens[i] as number, now, REFUSED + by, 0)
    }
    const column = this.columns[by] as Column
    const consequence = column.check.onRefusal
    if (consequence === undefined) return false
    const key = ask.subjects[column.scope] as Key
    const row = this.madeRow(state, column.scope, key, now)
    // No room for it: better to say it than to stay silent for good.
    if (row < 0) return consequence.noticeEvery !== undefined
    const table = state.tables[column.scope] as RecordTable
    const first = table.penaltyOf(row)
    let penalty = first
    while (penalty !== undefined && penalty.slot !== column.check.slot) penalty = penalty.next
    if (penalty === undefined) {
      penalty = new Penalty(column.check.slot)
      penalty.next = first
      table.setPenalty(row, penalty)
    }
    if (cause === 'check') return penalty.violated(consequence, now)
    return consequence.noticeEvery !== undefined && penalty.takeNotice(consequence.noticeEvery, now)
  }
}
