import {
  type Ask,
  type Decision,
  isPromise,
  type Judge,
  type MaybePromise,
  type Plan,
  type Receipt,
} from '../../core/check.js'
import { systemClock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Key } from '../../core/subject.js'
import type { StorageChange } from '../contract/changes.js'
import type { Marks, Storage } from '../contract/storage.js'
import { WithoutChecks } from '../shared/without-checks.js'
import { LeasedAdmission, LeasedReceipt, type Part, retold } from './decision.js'
import { chunksOf, Lease } from './lease.js'
import { type LeasedColumn, leasedColumns } from './leased-plan.js'
import { LocalMarks } from './local-marks.js'
import { reportedKey } from './refusals.js'
import type { HybridShared } from './shared.js'
import { SubjectLeases } from './subject-leases.js'
import type { ToldTime } from './time.js'

/** Limits to lease, maximum batch and duration. */
export interface LeaseOptions {
  readonly limits: readonly string[]
  readonly batch: number
  readonly span: Ms
}

/** Maximum number of subjects with leases. Units of further subjects are charged one ask at a time. */
const MOST_SUBJECTS = 1000
/** Number of subjects that are looked at for one without leases. */
const LOOKED_AT = 8
/** A lease of fewer units saves less than it costs. */
const LEAST_UNITS = 4
/*
 * A full bucket does not refill, but while units of it are held it does. If these go back unspent, the bucket has gained what it
 * must not have. As the burst is lowered by what refills in a span, this is no gain while all workers together hold no more than
 * that. They may hold more only while a bucket without leases would not be full either. If it would be full, all workers together
 * have spent no more in the last span than what refills in it. So it is enough that no worker ever holds more than it has itself
 * spent in the last span, and workers need not know of each other. A lease is no larger than what was spent in the last three
 * tenths of a span and ends after another six, so one tenth is left for the way back.
 */
const SPENT_TENTHS = 3
const HELD_TENTHS = 6

/** Where a subject is found. */
interface Place {
  readonly keys: Map<Key, SubjectLeases>
  readonly key: Key
}

/** Leases units of some limits in batches and spends them here. */
export class Leasing {
  private readonly columns: readonly LeasedColumn[]
  /** By column, bot and subject. */
  private readonly subjects: Map<number, Map<Key, SubjectLeases>>[]
  /** All subjects, those that were looked at for room least recently first. */
  private readonly places = new Map<SubjectLeases, Place>()
  private readonly localMarks: LocalMarks
  /** Makes asks without the checks paid from leases. */
  private readonly without = new WithoutChecks()
  private readonly unitCosts = new Map<number, readonly number[]>()
  private readonly pending = new Set<Promise<void>>()
  private ended = false

  constructor(
    private readonly plan: Plan,
    private readonly inner: Judge,
    private readonly options: LeaseOptions,
    private readonly shared: HybridShared,
    private readonly time: ToldTime,
    nearby: { readonly local: Storage; readonly marks: Marks },
  ) {
    this.columns = leasedColumns(plan, options)
    this.subjects = this.columns.map(() => new Map())
    this.localMarks = new LocalMarks(plan, nearby.local, nearby.marks, shared)
  }

  /** Unspent units of all subjects. */
  get held(): number {
    let units = 0
    for (const each of this.all()) units += each.units
    return units
  }

  evaluate(
    ask: Ask,
    at: Ms | undefined,
    now: Ms,
    remote: (question: Ask) => MaybePromise<Decision>,
  ): MaybePromise<Decision> {
    let parts: Part[] | undefined
    let paid = 0
    const short: [LeasedColumn, SubjectLeases][] = []
    for (const [nth, column] of this.columns.entries()) {
      const key = ask.subjects[column.scope]
      const cost = ask.costs[column.index] as number
      if (key === undefined || !(cost > 0) || ask.limits?.[column.index] !== undefined) continue
      const held = this.heldOf(nth, ask.bot, key)
      if (held === undefined) continue
      const lease = held.take(cost, now)
      if (lease !== undefined) {
        held.undecided += cost
        parts ??= []
        parts.push({ check: column.index, units: cost, lease, held })
        paid |= 1 << column.index
      }
      short.push([column, held])
    }
    let decision: MaybePromise<Decision>
    if (parts === undefined) decision = remote(ask)
    else {
      const near = this.localMarks.passes(ask, paid, at) ? this.paidHere(ask, at, parts) : undefined
      if (near !== undefined) decision = near
      else decision = this.withParts(ask, now, parts, remote(this.without.of(ask, paid)))
    }
    if (short.length === 0) return decision
    const isTold = at !== undefined
    if (!isPromise(decision)) return this.noted(decision, short, ask, isTold, now)
    return decision.then((resolved) => this.noted(resolved, short, ask, isTold, now))
  }

  /** Peeks as if the held units were unspent: the storage has already charged them, but callers can still spend them. */
  peek(ask: Ask, at: Ms | undefined, now: Ms): MaybePromise<Decision> {
    let paid = 0
    const left = new Map<number, number>()
    for (const [nth, { index, scope }] of this.columns.entries()) {
      const key = ask.subjects[scope]
      const cost = ask.costs[index] as number
      if (key === undefined || !(cost > 0) || ask.limits?.[index] !== undefined) continue
      const units = this.subjects[nth]?.get(ask.bot)?.get(reportedKey(key))?.unitsAt(now) ?? 0
      if (units < cost) continue
      paid |= 1 << index
      left.set(index, units - cost)
    }
    if (paid === 0) return this.inner.peek(ask, at)
    const told = (decision: Decision): Decision =>
      retold(
        decision,
        decision.notice,
        decision.remaining.map((value, index) => left.get(index) ?? value),
      )
    const decision = this.inner.peek(this.without.of(ask, paid), at)
    return isPromise(decision) ? decision.then(told) : told(decision)
  }

  /** Counts units that are refunded as not spent, and puts those back that were taken from leases. `plan` is that of the receipt. */
  refund(receipt: Receipt, plan: Plan, only: number | undefined): void {
    const { bot, subjects, costs } = receipt.ask
    const now = this.now(this.time.now > Number.NEGATIVE_INFINITY)
    if (receipt instanceof LeasedReceipt) {
      for (const { check, units, lease } of receipt.parts) {
        const bit = 1 << check
        if ((only !== undefined && only !== check) || (receipt.refunded & bit) !== 0) continue
        receipt.refunded |= bit
        lease.refund(units, now)
      }
    }
    for (const [nth, column] of this.columns.entries()) {
      const index = plan.checks.findIndex(({ slot }) => slot === column.slot)
      const key = subjects[plan.checks[index]?.subject as number]
      if (key === undefined || (only !== undefined && only !== index)) continue
      const held = this.subjects[nth]?.get(bot)?.get(reportedKey(key))
      held?.spending.add(-(costs[index] as number), now)
      held?.giveBackExcess(now)
    }
  }

  /** A reset forgets the charges for the held units, so these are discarded. */
  reset(bot: number, key: Key, slot: string | undefined): void {
    for (const [nth, { slot: own }] of this.columns.entries()) {
      if (slot === undefined || slot === own) this.subjects[nth]?.get(bot)?.get(reportedKey(key))?.drop()
    }
  }

  marksChanged(change: StorageChange): void {
    this.localMarks.changed(change)
  }

  /** Gives back all unspent units. */
  end(): void {
    this.ended = true
    for (const held of this.all()) held.end()
    for (const subjects of this.subjects) subjects.clear()
    this.places.clear()
    this.localMarks.clear()
  }

  /** Resolves when everything given back has arrived. */
  async settled(): Promise<void> {
    while (this.pending.size > 0) await Promise.all(this.pending)
  }

  private paidHere(ask: Ask, at: Ms | undefined, parts: readonly Part[]): Decision {
    this.shared.counts.answered++
    this.spent(parts)
    const receipt = new LeasedReceipt(ask, at ?? systemClock(), undefined, parts)
    return new LeasedAdmission(receipt, this.remaining(undefined, parts), [])
  }

  private withParts(
    ask: Ask,
    now: Ms,
    parts: readonly Part[],
    decision: MaybePromise<Decision>,
  ): MaybePromise<Decision> {
    const putBack = (): void => {
      for (const { units, lease, held } of parts) {
        held.undecided -= units
        lease.put(units, now)
      }
    }
    const told = (given: Decision): Decision => {
      // A refused update pays nothing, and a waived one was paid for by an earlier update.
      if (given.refusedBy >= 0 || given.waived || given.receipt === undefined) {
        putBack()
        return given
      }
      this.spent(parts)
      const receipt = new LeasedReceipt(ask, given.receipt.at, given.receipt, parts)
      return new LeasedAdmission(receipt, this.remaining(given, parts), given.shadowRefusals)
    }
    if (!isPromise(decision)) return told(decision)
    return decision.then(told, (error) => {
      putBack()
      throw error
    })
  }

  private spent(parts: readonly Part[]): void {
    for (const { units, held } of parts) {
      held.undecided -= units
      this.shared.counts.leased += units
    }
  }

  private remaining(given: Decision | undefined, parts: readonly Part[]): number[] {
    const left = given === undefined ? this.plan.checks.map(() => Number.NaN) : [...given.remaining]
    for (const { check, lease } of parts) left[check] = lease.units
    return left
  }

  /** Records what was spent and how much room the limits have, leases more, and adds a notice that is owed. */
  private noted(
    decision: Decision,
    short: readonly (readonly [LeasedColumn, SubjectLeases])[],
    ask: Ask,
    isTold: boolean,
    asked: Ms,
  ): Decision {
    let told = decision
    for (const [column, held] of short) {
      const { index } = column
      if (
        !(decision instanceof LeasedAdmission && decision.receipt.parts.some(({ check }) => check === index))
      ) {
        const room = decision.remaining[index] as number
        if (room >= 0) held.room = room
        if (decision.refusedBy === index && held.owesNotice) {
          held.owesNotice = false
          told = retold(decision, true)
        }
      }
      if (decision.receipt === undefined || decision.waived) continue
      held.spending.add(ask.costs[index] as number, asked)
      this.lease(column, held, ask, isTold)
    }
    return told
  }

  /** Leases units in the background if this worker spends enough and the limit has room. */
  private lease(column: LeasedColumn, held: SubjectLeases, ask: Ask, isTold: boolean): void {
    const now = this.now(isTold)
    if (this.ended || held.arriving > 0 || held.notBefore > now) return
    const wanted = held.spending.within(now, SPENT_TENTHS) - held.held
    // At most half of what is left, because other workers need units too.
    const batch = Math.floor(Math.min(this.options.batch, wanted, held.room / 2))
    if (batch < LEAST_UNITS || held.units * 4 > batch) return
    // It made room for another limit of the same ask.
    if (!this.places.has(held)) return
    this.track(() => this.take(column, held, batch, ask, isTold, now))
  }

  private async take(
    { index, scope, span, rate }: LeasedColumn,
    held: SubjectLeases,
    batch: number,
    { bot, subjects }: Ask,
    isTold: boolean,
    now: Ms,
  ): Promise<void> {
    // Later asks may have passed a later time than this one.
    const at = isTold ? this.time.last : undefined
    const key = subjects[scope] as Key
    const only = subjects.map((subject, nth) => (nth === scope ? subject : undefined))
    this.shared.counts.trips++
    const { generation } = held
    const since = this.stopwatch()
    const lasts = (span * HELD_TENTHS) / 10
    held.arriving = batch
    const asked = chunksOf(batch).map(async (units) => {
      const ask = { bot, subjects: only, costs: this.costsOf(index, units), tokens: [] }
      return { units, decision: await this.inner.evaluate(ask, at) }
    })
    const chunks: { units: number; receipt: Receipt }[] = []
    const failures: unknown[] = []
    const answers = await Promise.allSettled(asked)
    held.arriving = 0
    for (const each of answers) {
      if (each.status === 'rejected') {
        failures.push(each.reason)
        continue
      }
      const { units, decision } = each.value
      const room = decision.remaining[index] as number
      if (room >= 0) held.room = room
      if (decision.receipt !== undefined) chunks.push({ units, receipt: decision.receipt })
      else {
        held.notBefore = Math.max(held.notBefore, now + Math.min(decision.retryAfterMs, lasts))
        if (decision.notice) held.owesNotice = true
      }
    }
    if (chunks.length > 0 && held.generation === generation) {
      const trip = since()
      // The way back takes about as long as the way there.
      const refill = (): number => (since() + trip) * rate
      const free = (span * rate * (10 - SPENT_TENTHS)) / 10
      const lease = new Lease(chunks, now + lasts, held.refilled, refill, free, (receipts, units) =>
        this.giveBack(bot, key, receipts, units, units > rate * span),
      )
      // The limit has units again, so its refusals are outdated.
      this.shared.memory.forget(bot, key)
      // Leasing ended while this lease was being taken.
      if (this.ended) lease.end()
      else {
        held.add(lease, this.shared.timers, Math.max(0, lasts - trip))
        held.giveBackExcess(this.now(isTold))
      }
    }
    if (failures.length > 0) throw failures[0]
  }

  /** Measures the time from now on. */
  private stopwatch(): () => Ms {
    const { steady } = this.shared
    const from = steady()
    return () => steady() - from
  }

  private now(isTold: boolean): Ms {
    return isTold ? this.time.now : this.shared.steady()
  }

  private giveBack(
    bot: number,
    key: Key,
    receipts: readonly Receipt[],
    units: number,
    isMuch: boolean,
  ): void {
    this.shared.counts.returned += units
    this.shared.counts.trips++
    this.track(async () => {
      this.shared.memory.forget(bot, key)
      await Promise.all(receipts.map((receipt) => this.inner.settle(receipt, 'refund')))
      this.shared.memory.forget(bot, key)
      // Otherwise as much refills within a span, and refusals that others remember end that much later at most.
      if (isMuch) await this.shared.announce(bot, { keys: [reportedKey(key)], taken: [] })
    })
  }

  private track(work: () => Promise<void>): void {
    this.shared.aside('hybrid.lease', () => {
      const done: Promise<void> = work().finally(() => {
        this.pending.delete(settled)
      })
      // Failures are reported by `aside()`; waiting for the end must not fail.
      const settled = done.catch(() => undefined)
      this.pending.add(settled)
      return done
    })
  }

  private heldOf(nth: number, bot: number, key: Key): SubjectLeases | undefined {
    if (this.ended) return undefined
    const bots = this.subjects[nth] as Map<number, Map<Key, SubjectLeases>>
    let keys = bots.get(bot)
    if (keys === undefined) {
      keys = new Map()
      bots.set(bot, keys)
    }
    const own = reportedKey(key)
    let held = keys.get(own)
    if (held !== undefined) return held
    if (this.places.size >= MOST_SUBJECTS) this.forgetIdle()
    if (this.places.size >= MOST_SUBJECTS) return undefined
    held = new SubjectLeases((this.columns[nth] as LeasedColumn).span)
    keys.set(own, held)
    this.places.set(held, { keys, key: own })
    return held
  }

  /** Removes a subject without leases, of whichever bot and limit. Looks at a few, and next time at others. */
  private forgetIdle(): void {
    let looked = 0
    for (const [held, place] of this.places) {
      this.places.delete(held)
      if (held.isIdle) {
        place.keys.delete(place.key)
        return
      }
      this.places.set(held, place)
      if (++looked === LOOKED_AT) return
    }
  }

  private all(): Iterable<SubjectLeases> {
    return this.places.keys()
  }

  private costsOf(index: number, units: number): readonly number[] {
    const name = index * 1_000_000 + units
    let costs = this.unitCosts.get(name)
    if (costs === undefined) {
      costs = this.plan.checks.map((_, nth) => (nth === index ? units : 0))
      if (this.unitCosts.size >= 1000) this.unitCosts.clear()
      this.unitCosts.set(name, costs)
    }
    return costs
  }
}
