import type { Ask, Decision, Judge, Plan, RefusalCause, Settlement } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { depthOf, type Limit } from '../../core/limit.js'
import type { Key } from '../../core/subject.js'
import { BotState, carryOver, type MemoryShared } from './bot-state.js'
import { FREE, PAID, REFUSED } from './claims.js'
import { MemoryAdmission, MemoryDecision, NO_SHADOWS } from './decision.js'
import { FlatPlan } from './flat.js'
import {
  ABSENT,
  BUCKET,
  CLAIM,
  type Column,
  EXEMPT,
  layOut,
  longestLife,
  PENAL,
  PRESENT,
  type ScopeLayout,
  SHADOW,
  VARIED,
} from './layout.js'
import * as limits from './limiters.js'
import { Moment } from './moment.js'
import { type Outcome, punish } from './punish.js'
import type { RecordTable } from './records.js'
import { settleAdmission } from './settlement.js'
import { chargeOf, chargeWindow, windowLeft, windowWait } from './windows.js'

const UNSEEN = -2
const MISSING = -1
const NO_ROOM = -3

const NOTHING: Outcome = { notice: false, bannedUntil: 0 }

/** Which of the following claims and limits a claim waives. */
const WAIVES_NONE = 0
/** A shadow claim must not affect checks that are not in shadow. */
const WAIVES_SHADOWS = 1
const WAIVES_ALL = 2

/** Decides one plan in memory: synchronously, and without allocating promises, timers or strings. */
export class MemoryJudge implements Judge {
  readonly columns: readonly Column[]
  readonly layouts: readonly ScopeLayout[]
  private readonly bots = new Map<number, BotState>()
  private lastBot: BotState | undefined
  readonly moment: Moment
  /** The judge of the next plan of this name, which takes over the state. */
  private successor: MemoryJudge | undefined
  /** When the last state left under earlier plans stops mattering. */
  private previousUntil = 0
  private peeking = false

  private readonly flat: FlatPlan

  /** For the current ask, by scope: where the subject's record is. */
  private readonly rows: Int32Array
  private readonly rowCells: (Float64Array | undefined)[]
  private readonly rowOffsets: Int32Array
  private inForce: Limit[] | undefined

  constructor(
    readonly plan: Plan,
    private readonly shared: MemoryShared,
    private previous: MemoryJudge | undefined,
  ) {
    const { columns, layouts } = layOut(plan, previous?.columns)
    this.columns = columns
    this.layouts = layouts
    this.flat = new FlatPlan(columns)
    this.rows = new Int32Array(plan.scopes.length)
    this.rowCells = plan.scopes.map(() => undefined)
    this.rowOffsets = new Int32Array(plan.scopes.length)
    this.moment = previous?.moment ?? new Moment()
    if (previous !== undefined) {
      previous.successor = this
      const life = this.moment.at(shared.clock()) + longestLife(previous.columns)
      this.previousUntil = Math.max(life, previous.previousUntil)
    }
  }

  evaluate(ask: Ask, at: Ms = this.shared.clock()): Decision {
    this.moment.advance(at)
    return this.stateOf(ask.bot).quickWay.admit(ask, at) ?? this.decide(ask, at, true)
  }

  peek(ask: Ask, at: Ms = this.shared.clock()): Decision {
    const { moment } = this
    const before = moment.now
    moment.now = moment.at(at)
    this.peeking = true
    const decision = this.decide(ask, at, false)
    this.peeking = false
    moment.now = before
    return decision
  }

  settle(receipt: Decision['receipt'], how: Settlement, check?: number): void {
    if (receipt instanceof MemoryAdmission) settleAdmission(receipt, how, check)
  }

  /** Forgets the state of a subject: in one slot, or in all. */
  reset(bot: number, key: Key, slot?: string): void {
    const state = this.stateOf(bot)
    for (let scope = 0; scope < this.layouts.length; scope++) {
      // `rowOf()` carries the record over first, so that an earlier plan's state cannot come back.
      state.forgetRow(this.layouts[scope] as ScopeLayout, scope, this.rowOf(state, scope, key), slot)
    }
    state.forgetClaims(this.columns, key, slot)
    this.previous?.reset(bot, key, slot)
  }

  /** All tables in use. Each includes the figures of earlier plans. */
  *tables(): Iterable<RecordTable> {
    for (const state of this.bots.values()) yield* state.tables
  }

  /** Whether an earlier plan may hold state that has not been carried over. */
  get isContinued(): boolean {
    return this.previous !== undefined
  }

  /** The judge of the latest plan of this name. */
  get latest(): MemoryJudge {
    let judge: MemoryJudge = this
    while (judge.successor !== undefined) judge = judge.successor
    return judge
  }

  /** Drops the state left under plans more than `plans` ago. */
  forgetBefore(plans: number): void {
    if (plans > 0) this.previous?.forgetBefore(plans - 1)
    else this.dropPrevious()
  }

  private dropPrevious(): void {
    this.previous = undefined
    for (const table of this.tables()) table.dropOlder()
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

  /** Returns the row of a subject, carrying it over from the earlier plan if needed, or -1. */
  rowOf(state: BotState, scope: number, key: Key): number {
    const number = this.numberOf(key)
    const row = (state.tables[scope] as RecordTable).find(number)
    if (row >= 0 || this.previous === undefined) return row
    const { now } = this.moment
    // A peek may look ahead of the clock, so it must not drop state that earlier asks still need.
    if (now > this.previousUntil && !this.peeking) {
      this.dropPrevious()
      return row
    }
    return carryOver(this.previous, this, state, scope, key, number, now)
  }

  private decide(ask: Ask, at: Ms, commit: boolean): Decision {
    const { now } = this.moment
    const state = this.lastBot?.bot === ask.bot ? this.lastBot : this.stateOf(ask.bot)
    const { flat, rows } = this
    const { codes, scopes, traits, pending, asked } = flat
    const { costs, subjects } = ask
    // Not fill(): for so few cells the call costs more than the work.
    for (let i = 0; i < rows.length; i++) rows[i] = UNSEEN
    if (costs !== flat.askedCosts) flat.read(costs)
    this.inForce = undefined
    let shadowRefusals = NO_SHADOWS
    let waives = WAIVES_NONE

    for (let j = 0; j < flat.askedCount; j++) {
      const i = asked[j] as number
      pending[i] = 0
      const cost = costs[i] as number
      const code = codes[i] as number
      const key = subjects[scopes[i] as number]
      if (key === undefined) continue
      const trait = traits[i] as number
      if (waives !== WAIVES_NONE && code >= CLAIM && (waives === WAIVES_ALL || (trait & SHADOW) !== 0))
        continue
      let bannedUntil = 0
      let limit: Limit | undefined
      if (trait !== 0 || ask.limits !== undefined) {
        const column = this.columns[i] as Column
        if ((trait & EXEMPT) !== 0 && state.isExempt(column, ask, at)) continue
        if ((trait & PENAL) !== 0) bannedUntil = this.bannedUntil(state, column, key, now)
        if (code >= BUCKET && (trait & VARIED || ask.limits !== undefined)) {
          limit = this.limitInForce(column, ask, state, at)
        }
      }

      let retryAfter = 0
      let cause: RefusalCause = 'check'
      let by = i
      if (code === BUCKET) {
        const scope = scopes[i] as number
        if (rows[scope] === UNSEEN) this.locate(state, scope, key)
        const amount = limit === undefined ? (flat.amounts[i] as number) : limit.amount
        const depth = limit === undefined ? (flat.depths[i] as number) : depthOf(limit)
        const per = limit === undefined ? (flat.pers[i] as number) : limit.per
        const cells = this.rowCells[scope]
        // Same as bucketMissing() and bucketCharge(), inlined because calls would box their numbers.
        let missing = 0
        if (cells !== undefined) {
          const fullAt = cells[(this.rowOffsets[scope] as number) + (flat.offsets[i] as number)] as number
          missing = Math.round((fullAt - now) * amount)
          if (missing < 0) missing = 0
        }
        const charge = cost === 1 ? per : limits.bucketCharge(cost, per)
        if (missing + charge <= depth) pending[i] = missing + charge
        else retryAfter = limits.bucketRetry(missing, charge, depth, amount)
      } else if (code === CLAIM) {
        const column = this.columns[i] as Column
        const claims = state.claims[i] as NonNullable<(typeof state.claims)[number]>
        const token = ask.tokens[column.claim] as number
        let standing = claims.stateOf(key, token)
        let refuser = -1
        if (standing === REFUSED) {
          // Looked up by slot, since the plan may have changed. If no check of that slot can refuse any longer, the claim is
          // free.
          const slot = claims.refuserOf(key, token)
          refuser = this.columns.findIndex(({ check }) => check.slot === slot && check.shadow !== true)
          if (refuser === -1) standing = FREE
        }
        if (standing === FREE || standing === PAID) pending[i] = 1
        if (
          bannedUntil <= now &&
          (standing === PAID || (column.waives && refuser === -1 && standing !== FREE))
        ) {
          waives = (trait & SHADOW) === 0 ? WAIVES_ALL : WAIVES_SHADOWS
        } else if (standing !== FREE && standing !== PAID) {
          retryAfter = claims.freeAt(key, token) - now
          if (refuser >= 0) {
            by = refuser
            cause = 'echo'
          }
        }
      } else if (code === ABSENT || code === PRESENT) {
        retryAfter = state.markWait(i, code, key, at)
      } else {
        const column = this.columns[i] as Column
        const scope = scopes[i] as number
        if (rows[scope] === UNSEEN) this.locate(state, scope, key)
        const cells = this.rowCells[scope] ?? column.blank
        const own = cells === column.blank ? 0 : (this.rowOffsets[scope] as number) + column.offset
        retryAfter = windowWait(column, limit ?? column.limit, cells, own, cost, now)
        if (retryAfter === 0) pending[i] = cost
      }

      if (bannedUntil > now) {
        // When the ban ends, the check itself must have room as well.
        retryAfter = Math.max(retryAfter, bannedUntil - now)
        cause = 'penalty'
        by = i
      }
      if (retryAfter === 0) continue
      pending[i] = 0
      if ((trait & SHADOW) !== 0) {
        if (shadowRefusals === NO_SHADOWS) shadowRefusals = []
        ;(shadowRefusals as number[]).push(i)
        continue
      }
      const outcome = cause === 'echo' ? NOTHING : this.refuse(ask, state, i, cause, now, commit)
      const left = this.leftOf(ask, state, at, now)
      if (outcome.bannedUntil > now) {
        retryAfter = Math.max(retryAfter, outcome.bannedUntil - now)
        if (code >= BUCKET) left[i] = 0
      }
      return new MemoryDecision(by, cause, Math.ceil(retryAfter), left, shadowRefusals, outcome.notice, false)
    }

    const waived = waives === WAIVES_ALL
    if (commit) {
      const charged = this.charge(ask, state, now)
      return new MemoryAdmission(
        this,
        ask,
        at,
        now,
        this.moment.serial,
        charged,
        this.inForce,
        shadowRefusals,
        waived,
      )
    }
    const left = this.leftOf(ask, state, at, now)
    // A peek reports `remaining` as if it had charged.
    for (let i = 0; i < left.length; i++) {
      const column = this.columns[i] as Column
      if (pending[i] === 0 || column.code < BUCKET) continue
      const charge = chargeOf(column, this.inForce?.[i] ?? column.limit, costs[i] as number)
      left[i] = Math.max(0, (left[i] as number) - charge)
    }
    return new MemoryDecision(-1, 'check', 0, left, shadowRefusals, false, waived)
  }

  /** Returns what is left at present of the limits of an admission. */
  remainingOf({ ask, at }: MemoryAdmission): readonly number[] {
    for (let i = 0; i < this.rows.length; i++) this.rows[i] = UNSEEN
    return this.leftOf(ask, this.stateOf(ask.bot), at, this.moment.now)
  }

  private leftOf(ask: Ask, state: BotState, at: Ms, now: Ms): number[] {
    return this.columns.map((column) => {
      const { scope, index } = column
      const key = ask.subjects[scope]
      if (column.code < BUCKET || ask.costs[index] === 0 || key === undefined) return Number.NaN
      if ((column.traits & EXEMPT) !== 0 && state.isExempt(column, ask, at)) return Number.NaN
      if ((column.traits & PENAL) !== 0 && this.bannedUntil(state, column, key, now) > now) return 0
      if (this.rows[scope] === UNSEEN) this.locate(state, scope, key)
      const limit = state.limitOf(column, ask, at)
      const cells = this.rowCells[scope] ?? column.blank
      const own = cells === column.blank ? 0 : (this.rowOffsets[scope] as number) + column.offset
      if (column.code !== BUCKET) return windowLeft(column, limit, cells, own, now)
      const depth = depthOf(limit)
      return Math.max(0, depth - limits.bucketMissing(cells[own] as number, now, limit.amount)) / limit.per
    })
  }

  /** Finds the record of a scope's subject for the current ask. */
  private locate(state: BotState, scope: number, key: Key): void {
    if (typeof key === 'number' && this.previous === undefined) {
      // The usual case, with as few calls as possible.
      const table = state.tables[scope] as RecordTable
      const row = table.find(key)
      this.rows[scope] = row
      this.rowCells[scope] = table.foundCells
      this.rowOffsets[scope] = table.foundAt
    } else this.place(state, scope, this.rowOf(state, scope, key))
  }

  private place(state: BotState, scope: number, row: number): void {
    const table = state.tables[scope] as RecordTable
    this.rows[scope] = row
    this.rowCells[scope] = row < 0 ? undefined : table.cellsOf(row)
    this.rowOffsets[scope] = row < 0 ? 0 : table.offsetOf(row)
  }

  /** Returns the number that tables use for a subject: its own, or a negative digest of its text. */
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

  /** Returns the limit for this ask, and records it for the charge if it differs from the plan's. */
  private limitInForce(column: Column, ask: Ask, state: BotState, at: Ms): Limit {
    const limit = state.limitOf(column, ask, at)
    if (limit !== column.limit) {
      this.inForce ??= this.columns.map((each) => each.limit)
      this.inForce[column.index] = limit
    }
    return limit
  }

  /** Writes all pending charges. Returns the claims taken and limits charged, as bits. */
  private charge(ask: Ask, state: BotState, now: Ms): number {
    const { flat, rows } = this
    const { codes, pending, scopes, asked } = flat
    const serial = ++this.moment.serial
    let charged = 0
    for (let j = 0; j < flat.askedCount; j++) {
      const i = asked[j] as number
      const amount = pending[i] as number
      if (amount === 0) continue
      const scope = scopes[i] as number
      const key = ask.subjects[scope] as Key
      if (codes[i] === CLAIM) {
        state.claims[i]?.take(key, ask.tokens[(this.columns[i] as Column).claim] as number, serial)
        charged |= 1 << i
        continue
      }
      if (rows[scope] === MISSING) this.makeRow(state, scope, key, now)
      const cells = this.rowCells[scope]
      if (cells === undefined) continue
      const at = (this.rowOffsets[scope] as number) + (flat.offsets[i] as number)
      const limit = this.inForce?.[i]
      if (codes[i] === BUCKET) {
        cells[at] = now + amount / (limit === undefined ? (flat.amounts[i] as number) : limit.amount)
      } else {
        const column = this.columns[i] as Column
        chargeWindow(column, limit ?? column.limit, cells, at, amount, now)
      }
      charged |= 1 << i
    }
    return charged
  }

  /** Creates a record for a subject that has none, if the table has room. */
  private makeRow(state: BotState, scope: number, key: Key, now: Ms): void {
    this.place(state, scope, (state.tables[scope] as RecordTable).insert(this.numberOf(key), now))
    if (this.rows[scope] === MISSING) this.rows[scope] = NO_ROOM
  }

  /** Applies the consequence of a refusal, and passes the refusal on to the other parts of an album. */
  private refuse(
    ask: Ask,
    state: BotState,
    by: number,
    cause: RefusalCause,
    now: Ms,
    commit: boolean,
  ): Outcome {
    const { check, scope } = this.columns[by] as Column
    for (let i = 0; commit && i < by; i++) {
      const column = this.columns[i] as Column
      if (!column.waives || (column.traits & SHADOW) !== 0 || this.flat.pending[i] === 0) continue
      const token = ask.tokens[column.claim] as number
      state.claims[i]?.refuse(ask.subjects[column.scope] as Key, token, check.slot)
    }
    if (check.onRefusal === undefined) return NOTHING
    const key = ask.subjects[scope] as Key
    if (this.rows[scope] === UNSEEN) this.locate(state, scope, key)
    if (commit && this.rows[scope] === MISSING) this.makeRow(state, scope, key, now)
    const row = this.rows[scope] as number
    // Without room to remember the notice, it is better to repeat it every time than never to send it.
    if (row === NO_ROOM) return { notice: check.onRefusal.noticeEvery !== undefined, bannedUntil: 0 }
    return punish(state.tables[scope] as RecordTable, row, check.slot, check.onRefusal, cause, now, commit)
  }
}
