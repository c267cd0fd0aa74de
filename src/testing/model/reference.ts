import type { Ask, Check, ClaimCheck, Plan, RefusalCause, Settlement } from '../../core/check.js'
import { type Limit, limitWithin } from '../../core/limit.js'
import type { Key } from '../../core/subject.js'
import { refuseClaim, settleClaim, standingOf, takeClaim } from './claims.js'
import { charge, leftOf, refund, waitOf } from './limits.js'
import { bannedUntil, punish } from './penalties.js'
import {
  emptyMemory,
  type Memory,
  nameOf,
  type ReferenceDecision,
  type ReferenceReceipt,
  tokenOf,
} from './state.js'

/*
 * A reference implementation of a judge, as plain as possible: lists of charges, buckets in whole units, no optimization for speed or
 * memory. Storages are compared with it decision by decision.
 */

interface Held {
  until: number
  value: unknown
}

export class Reference {
  private marks = new Map<string, Held>()
  private memory: Memory = emptyMemory()

  constructor(private plan: Plan) {}

  /** State is kept by slot, so a later plan continues with the state of an earlier one. */
  prepare(plan: Plan): void {
    this.plan = plan
  }

  putMark(bot: number, key: Key, name: string, until: number, value?: unknown): void {
    this.marks.set(nameOf(bot, name, key), { until, value })
  }

  removeMark(bot: number, key: Key, name: string): void {
    this.marks.delete(nameOf(bot, name, key))
  }

  evaluate(ask: Ask, at: number): { decision: ReferenceDecision; receipt: ReferenceReceipt | undefined } {
    return this.judge(ask, at)
  }

  peek(ask: Ask, at: number): ReferenceDecision {
    const before = this.memory
    this.memory = structuredClone(before)
    const { decision } = this.judge(ask, at)
    this.memory = before
    return decision
  }

  settle(receipt: ReferenceReceipt, how: Settlement, only?: number): void {
    if (how === 'refund') {
      for (const index of receipt.charged) {
        const slot = receipt.plan.checks[index]?.slot
        // Charges on limits that the current plan no longer has cannot be refunded.
        const kept = this.plan.checks.some((check) => check.slot === slot)
        if (kept && (only === undefined || only === index)) refund(this.memory, receipt, index)
      }
      receipt.charged = receipt.charged.filter((index) => only !== undefined && only !== index)
      return
    }
    // The receipt was settled already.
    if (receipt.serial === -1) return
    receipt.plan.checks.forEach((check, index) => {
      const now = this.plan.checks.find(({ slot }) => slot === check.slot)
      const key = receipt.ask.subjects[check.subject]
      if (check.kind !== 'claim' || now === undefined || key === undefined) return
      if (!receipt.taken.includes(index)) return
      settleClaim(
        this.memory,
        check,
        receipt,
        key,
        how === 'release' && check.retry === true ? 'paid' : 'held',
      )
    })
    receipt.serial = -1
  }

  reset(bot: number, key: Key, slot?: string): void {
    const slots = slot === undefined ? this.plan.checks.map((check) => check.slot) : [slot]
    const { buckets, windows, claims, penalties, lapses } = this.memory
    for (const name of slots) {
      const state = nameOf(bot, name, key)
      for (const map of [buckets, windows, penalties]) map.delete(state)
      for (const map of [claims, lapses]) {
        for (const each of [...map.keys()]) if (each.startsWith(`${state} `)) map.delete(each)
      }
    }
  }

  private judge(
    ask: Ask,
    at: number,
  ): { decision: ReferenceDecision; receipt: ReferenceReceipt | undefined } {
    this.tick(at)
    const { memory, plan } = this
    const now = memory.own
    const shadowRefusals: number[] = []
    const takes: number[] = []
    const charges: number[] = []
    const limits = plan.checks.map((check) => this.limitOf(check, ask, at))
    let waivesAll = false
    let waivesShadows = false

    for (const [index, check] of plan.checks.entries()) {
      const cost = ask.costs[index] as number
      const key = ask.subjects[check.subject]
      if (cost === 0 || key === undefined) continue
      const claimOrLimit = check.kind !== 'absent' && check.kind !== 'present'
      const shadow = check.shadow === true
      if (claimOrLimit && (waivesAll || (waivesShadows && shadow))) continue
      if (this.isExempt(check, ask, at)) continue

      const state = nameOf(ask.bot, check.slot, key)
      let wait = 0
      let by = index
      let cause: RefusalCause = 'check'
      let waives = false
      let takesClaim = false
      if (check.kind === 'absent') {
        for (const name of check.anyOf) {
          const mark = this.marks.get(nameOf(ask.bot, name, key))
          if (mark !== undefined && mark.until > at) wait = Math.max(wait, mark.until - at)
        }
      } else if (check.kind === 'present') {
        if (!this.holdsAny(ask.bot, key, check.anyOf, at)) wait = Number.POSITIVE_INFINITY
      } else if (check.kind === 'claim') {
        const token = tokenOf(plan, ask, index)
        const standing = standingOf(memory, check, state, token)
        const refuser = plan.checks.findIndex(
          (each) => standing?.state === 'refused' && each.slot === standing.refuser && each.shadow !== true,
        )
        if (standing === undefined || (standing.state === 'refused' && refuser === -1)) takesClaim = true
        else if (standing.state === 'paid') {
          takesClaim = true
          waives = true
        } else if (check.whenHeld === 'waive' && standing.state !== 'refused') waives = true
        else {
          wait = Math.min(standing.until, standing.leaseUntil) - now
          if (standing.state === 'refused') {
            by = refuser
            cause = 'echo'
          }
        }
      } else wait = waitOf(memory, check, limits[index] as Limit, state, cost)

      const banned = bannedUntil(memory, check, state) - now
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
          for (const taken of takes) {
            const claim = plan.checks[taken] as Check
            if (claim.kind !== 'claim' || claim.whenHeld !== 'waive' || claim.shadow === true) continue
            refuseClaim(memory, claim, plan, ask, taken, check.slot)
          }
          notice = punish(memory, check.onRefusal, state, cause)
          wait = Math.max(wait, bannedUntil(memory, check, state) - now)
        }
        const remaining = this.remaining(ask, at)
        return {
          decision: {
            refusedBy: by,
            cause,
            retryAfterMs: wait,
            remaining,
            shadowRefusals,
            notice,
            waived: false,
          },
          receipt: undefined,
        }
      }
      if (takesClaim) takes.push(index)
      if (check.kind === 'bucket' || check.kind === 'window') charges.push(index)
      if (waives && shadow) waivesShadows = true
      if (waives && !shadow) waivesAll = true
    }

    const serial = ++memory.serial
    for (const index of takes) takeClaim(memory, plan.checks[index] as ClaimCheck, plan, ask, index, serial)
    for (const index of charges) charge(memory, plan, index, ask, limits[index] as Limit)
    return {
      decision: {
        refusedBy: -1,
        cause: 'check',
        retryAfterMs: 0,
        remaining: this.remaining(ask, at),
        shadowRefusals,
        notice: false,
        waived: waivesAll,
      },
      receipt: { ask, plan, own: now, serial, taken: takes, charged: charges, limits },
    }
  }

  /** Advances the judge's own time. It stands still while the clock goes back, and continues from there. */
  private tick(at: number): void {
    const { memory } = this
    memory.own = memory.started ? memory.own + Math.max(0, at - memory.clock) : at
    memory.started = true
    memory.clock = at
  }

  private holdsAny(bot: number, key: Key, names: readonly string[], at: number): boolean {
    return names.some((name) => (this.marks.get(nameOf(bot, name, key))?.until ?? 0) > at)
  }

  private isExempt({ unless }: Check, ask: Ask, at: number): boolean {
    const key = unless === undefined ? undefined : ask.subjects[unless.subject]
    return unless !== undefined && key !== undefined && this.holdsAny(ask.bot, key, unless.anyOf, at)
  }

  private limitOf(check: Check, ask: Ask, at: number): Limit {
    if (check.kind !== 'bucket' && check.kind !== 'window') return { amount: 1, per: 1 }
    const own = ask.limits?.[this.plan.checks.indexOf(check)]
    if (own !== undefined) return own
    for (const { mark, subject, limit, within } of check.variants ?? []) {
      const key = ask.subjects[subject]
      if (key === undefined || !this.holdsAny(ask.bot, key, [mark], at)) continue
      if (limit !== 'stored') return limit
      const { value } = this.marks.get(nameOf(ask.bot, mark, key)) as Held
      const stored = typeof value === 'object' && value !== null && 'amount' in value
      const held = stored ? limitWithin(value as Limit, within) : undefined
      if (held !== undefined) return held
    }
    return check.limit
  }

  private remaining(ask: Ask, at: number): number[] {
    const { memory, plan } = this
    return plan.checks.map((check, index) => {
      const key = ask.subjects[check.subject]
      if (check.kind !== 'bucket' && check.kind !== 'window') return Number.NaN
      if (ask.costs[index] === 0 || key === undefined || this.isExempt(check, ask, at)) return Number.NaN
      const state = nameOf(ask.bot, check.slot, key)
      if (bannedUntil(memory, check, state) > memory.own) return 0
      return leftOf(memory, check, this.limitOf(check, ask, at), state)
    })
  }
}
