import type {
  Ask,
  BucketCheck,
  Check,
  ClaimCheck,
  Consequence,
  Plan,
  RefusalCause,
  Settlement,
  WindowCheck,
} from '../../src/core/check.js'
import type { Limit } from '../../src/core/limit.js'
import { type Key, keyText } from '../../src/core/subject.js'

/*
 * What a judge decides, written as plainly as can be: lists of charges, buckets as levels in whole units, and no
 * thought for speed or memory. Storages are held to it decision by decision.
 */

export interface ReferenceDecision {
  refusedBy: number
  cause: RefusalCause
  retryAfterMs: number
  remaining: number[]
  shadowRefusals: number[]
  notice: boolean
  waived: boolean
}

export interface ReferenceReceipt {
  ask: Ask
  plan: Plan
  own: number
  serial: number
  /** Checks whose claim it took, and whose limit it charged. */
  taken: number[]
  charged: number[]
  limits: Limit[]
}

type LimitedCheck = BucketCheck | WindowCheck

/** What is missing from a bucket, in units of a token / per, as it was at a time. `amount` units return in a ms. */
interface Bucket {
  missing: bigint
  amount: bigint
  at: number
}
/** One a unit for exact windows, one a charge (in thousandths) for the others. */
interface Charge {
  at: number
  size: number
}
interface Window {
  charges: Charge[]
  /** When a fixed window, or a span of two counters, began. */
  start: number
  /** When it was last charged, even if that was given back. */
  last: number
}
interface Claim {
  state: 'held' | 'running' | 'paid' | 'refused'
  until: number
  leaseUntil: number
  serial: number
  refuser: string
}
interface Penalty {
  violations: number
  countedUntil: number
  level: number
  bannedUntil: number
  forgetAt: number
  noticedUntil: number
}
interface Held {
  until: number
  value: unknown
}

/** All that is remembered; plain data, so that a peek can work on a copy. */
interface Memory {
  started: boolean
  clock: number
  own: number
  serial: number
  buckets: Map<string, Bucket>
  windows: Map<string, Window>
  claims: Map<string, Claim>
  penalties: Map<string, Penalty>
  /** When the 4,096 tokens of a sequence that lapse together do so. */
  lapses: Map<string, number>
}

const THOUSAND = 1000
const TOKENS_TOGETHER = 4096

export class Reference {
  private marks = new Map<string, Held>()
  private memory: Memory = {
    started: false,
    clock: 0,
    own: 0,
    serial: 0,
    buckets: new Map(),
    windows: new Map(),
    claims: new Map(),
    penalties: new Map(),
    lapses: new Map(),
  }

  constructor(private plan: Plan) {}

  /** State is kept by slot, so a later plan finds what an earlier one left. */
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
        if (only === undefined || only === index) this.refund(receipt, index)
      }
      receipt.charged = receipt.charged.filter((index) => only !== undefined && only !== index)
      return
    }
    // Settled before.
    if (receipt.serial === -1) return
    receipt.plan.checks.forEach((check, index) => {
      const now = this.plan.checks.find(({ slot }) => slot === check.slot)
      const key = receipt.ask.subjects[check.subject]
      if (check.kind !== 'claim' || now === undefined || key === undefined) return
      if (!receipt.taken.includes(index)) return
      this.settleClaim(check, receipt, key, how === 'release' && check.retry === true ? 'paid' : 'held')
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
      if (this.excused(check, ask, at)) continue

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
        const standing = this.standingOf(check, state, token)
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
      } else wait = this.waitOf(check, limits[index] as Limit, state, cost)

      const banned = this.bannedUntil(check, state) - now
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
            this.refuseClaim(claim, ask, taken, check.slot)
          }
          notice = this.punish(check.onRefusal, state, cause)
          wait = Math.max(wait, this.bannedUntil(check, state) - now)
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
    for (const index of takes) this.takeClaim(plan.checks[index] as ClaimCheck, ask, index, serial)
    for (const index of charges) this.charge(index, ask, limits[index] as Limit)
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

  /** The clock may go back; the judge's own time stands still for that moment and goes on from there. */
  private tick(at: number): void {
    const { memory } = this
    memory.own = memory.started ? memory.own + Math.max(0, at - memory.clock) : at
    memory.started = true
    memory.clock = at
  }

  private now(): number {
    return this.memory.own
  }

  private holdsAny(bot: number, key: Key, names: readonly string[], at: number): boolean {
    return names.some((name) => (this.marks.get(nameOf(bot, name, key))?.until ?? 0) > at)
  }

  private excused({ unless }: Check, ask: Ask, at: number): boolean {
    const key = unless === undefined ? undefined : ask.subjects[unless.subject]
    return unless !== undefined && key !== undefined && this.holdsAny(ask.bot, key, unless.anyOf, at)
  }

  private limitOf(check: Check, ask: Ask, at: number): Limit {
    if (check.kind !== 'bucket' && check.kind !== 'window') return { amount: 1, per: 1 }
    const own = ask.limits?.[this.plan.checks.indexOf(check)]
    if (own !== undefined) return own
    for (const { mark, subject, limit } of check.variants ?? []) {
      const key = ask.subjects[subject]
      if (key === undefined || !this.holdsAny(ask.bot, key, [mark], at)) continue
      if (limit !== 'stored') return limit
      const { value } = this.marks.get(nameOf(ask.bot, mark, key)) as Held
      if (typeof value === 'object' && value !== null && 'amount' in value) return value as Limit
    }
    return check.limit
  }

  /** How long until a charge fits; 0 if it does. */
  private waitOf(check: LimitedCheck, limit: Limit, state: string, cost: number): number {
    const now = this.now()
    const fits = this.roomAt(check, limit, state, cost)
    if (!fits(Number.POSITIVE_INFINITY)) return Number.POSITIVE_INFINITY
    // Room only grows while nothing is charged: double until it fits, then halve to the very millisecond.
    if (fits(now)) return 0
    let high = 1
    while (!fits(now + high)) high *= 2
    let low = 0
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if (fits(now + middle)) high = middle
      else low = middle
    }
    return high
  }

  private roomAt(check: LimitedCheck, limit: Limit, state: string, cost: number): (time: number) => boolean {
    if (check.kind === 'bucket') {
      const charge = unitsOf(cost, limit)
      const depth = depthOf(limit)
      return (time) =>
        charge + (time === Number.POSITIVE_INFINITY ? 0n : this.missing(limit, state, time)) <= depth
    }
    const most = amountOf(check, limit)
    if (check.form === 'log') {
      return (time) => Math.ceil(cost) + this.logUsed(check, limit, state, time) <= most
    }
    const charge = thousandthsOf(cost)
    if (check.form === 'fixed') {
      return (time) => charge + this.fixedUsed(limit, state, time) <= most * THOUSAND
    }
    return (time) => {
      if (time === Number.POSITIVE_INFINITY) return charge <= most * THOUSAND
      const { used, before, covered } = this.counters(limit, state, time)
      // Multiplied out, so that nothing is rounded.
      return before * covered + (used + charge) * limit.per <= most * THOUSAND * limit.per
    }
  }

  private missing(limit: Limit, state: string, time: number): bigint {
    const bucket = this.memory.buckets.get(state)
    if (bucket === undefined) return 0n
    const left = bucket.missing - BigInt(time - bucket.at) * bucket.amount
    if (left <= 0n) return 0n
    // Under another limit the time until full is what stays, to the nearest unit.
    const amount = BigInt(limit.amount)
    const units = (2n * left * amount + bucket.amount) / (2n * bucket.amount)
    const depth = depthOf(limit)
    return units > depth ? depth : units
  }

  private logUsed(check: WindowCheck, { per }: Limit, state: string, time: number): number {
    const { charges } = this.memory.windows.get(state) ?? { charges: [] }
    return charges.slice(-ringOf(check)).filter((charge) => charge.at + per > time).length
  }

  private fixedUsed({ per }: Limit, state: string, time: number): number {
    const window = this.memory.windows.get(state)
    if (window === undefined || window.start + per <= time) return 0
    return sum(window.charges)
  }

  private counters(
    { per }: Limit,
    state: string,
    time: number,
  ): { used: number; before: number; covered: number } {
    const window = this.memory.windows.get(state)
    if (window === undefined) return { used: 0, before: 0, covered: per }
    const spans = Math.floor((time - window.start) / per)
    const begin = window.start + spans * per
    return {
      used: sum(window.charges.filter(({ at }) => at >= begin)),
      before: sum(window.charges.filter(({ at }) => at >= begin - per && at < begin)),
      covered: begin + per - time,
    }
  }

  private charge(index: number, ask: Ask, limit: Limit): void {
    const check = this.plan.checks[index] as LimitedCheck
    const state = nameOf(ask.bot, check.slot, ask.subjects[check.subject] as Key)
    const cost = ask.costs[index] as number
    const at = this.now()
    if (check.kind === 'bucket') {
      const missing = this.missing(limit, state, at) + unitsOf(cost, limit)
      this.memory.buckets.set(state, { missing, amount: BigInt(limit.amount), at })
      return
    }
    let window = this.memory.windows.get(state)
    const idle =
      window === undefined ||
      (check.form === 'fixed' && window.start + limit.per <= at) ||
      (check.form === 'counters' && lastSpanOf(window, limit) + 2 * limit.per <= at)
    if (window === undefined || (idle && check.form !== 'log')) {
      window = { charges: [], start: at, last: at }
      this.memory.windows.set(state, window)
    }
    window.last = at
    if (check.form === 'log') {
      for (let unit = 0; unit < Math.ceil(cost); unit++) window.charges.push({ at, size: 1 })
      window.charges = window.charges.slice(-ringOf(check))
    } else window.charges.push({ at, size: thousandthsOf(cost) })
  }

  private refund({ ask, plan, own, limits }: ReferenceReceipt, index: number): void {
    const was = plan.checks[index] as LimitedCheck
    if (!this.plan.checks.some(({ slot }) => slot === was.slot)) return
    const state = nameOf(ask.bot, was.slot, ask.subjects[was.subject] as Key)
    const cost = ask.costs[index] as number
    const limit = limits[index] as Limit
    if (was.kind === 'bucket') {
      const bucket = this.memory.buckets.get(state)
      if (bucket === undefined) return
      const amount = BigInt(limit.amount)
      // missing / amount of the bucket, less units / amount of the charge.
      bucket.missing = bucket.missing * amount - unitsOf(cost, limit) * bucket.amount
      bucket.amount *= amount
      return
    }
    const window = this.memory.windows.get(state)
    if (window === undefined) return
    const size = was.form === 'log' ? 1 : thousandthsOf(cost)
    for (let unit = 0; unit < (was.form === 'log' ? Math.ceil(cost) : 1); unit++) {
      const found = window.charges.findIndex((charge) => charge.at === own && charge.size === size)
      if (found < 0) continue
      // Of two counters the span stays where it was, though what began it is given back.
      window.charges.splice(found, 1)
    }
  }

  private remaining(ask: Ask, at: number): number[] {
    const now = this.now()
    return this.plan.checks.map((check, index) => {
      const key = ask.subjects[check.subject]
      if (check.kind !== 'bucket' && check.kind !== 'window') return Number.NaN
      if (ask.costs[index] === 0 || key === undefined || this.excused(check, ask, at)) return Number.NaN
      const state = nameOf(ask.bot, check.slot, key)
      if (this.bannedUntil(check, state) > now) return 0
      const limit = this.limitOf(check, ask, at)
      if (check.kind === 'bucket') {
        return Number(depthOf(limit) - this.missing(limit, state, now)) / limit.per
      }
      const most = amountOf(check, limit)
      if (check.form === 'log') return Math.max(0, most - this.logUsed(check, limit, state, now))
      if (check.form === 'fixed') return Math.max(0, most - this.fixedUsed(limit, state, now) / THOUSAND)
      const { used, before, covered } = this.counters(limit, state, now)
      return Math.max(0, most - (used + (before * covered) / limit.per) / THOUSAND)
    })
  }

  /** The claim on a token as it stands now; undefined if it is free. */
  private standingOf(check: ClaimCheck, state: string, token: number): Claim | undefined {
    const now = this.now()
    const claim = this.memory.claims.get(`${state} ${token}`)
    if (claim === undefined) return undefined
    const until =
      check.tokens === 'sequence' ? (this.memory.lapses.get(togetherOf(state, token)) ?? 0) : claim.until
    if (until <= now) return undefined
    const lapsed = claim.state === 'running' && claim.leaseUntil <= now
    const leaseUntil = claim.state === 'running' ? claim.leaseUntil : Number.POSITIVE_INFINITY
    return { ...claim, until, leaseUntil, state: lapsed ? 'paid' : claim.state }
  }

  private takeClaim(check: ClaimCheck, ask: Ask, index: number, serial: number): void {
    const now = this.now()
    const state = nameOf(ask.bot, check.slot, ask.subjects[check.subject] as Key)
    const token = tokenOf(this.plan, ask, index)
    if (check.tokens === 'sequence') {
      const together = togetherOf(state, token)
      if ((this.memory.lapses.get(together) ?? 0) <= now) {
        for (const name of [...this.memory.claims.keys()]) {
          const [own, other] = splitName(name)
          if (own === state && togetherOf(state, other) === together) this.memory.claims.delete(name)
        }
      }
      this.memory.lapses.set(together, now + check.holdFor)
    }
    this.memory.claims.set(`${state} ${token}`, {
      state: check.lease === undefined ? 'held' : 'running',
      until: now + check.holdFor,
      leaseUntil: now + (check.lease ?? Number.POSITIVE_INFINITY),
      serial,
      refuser: '',
    })
  }

  private refuseClaim(check: ClaimCheck, ask: Ask, index: number, refuser: string): void {
    const until = this.now() + check.holdFor
    const state = nameOf(ask.bot, check.slot, ask.subjects[check.subject] as Key)
    const claim: Claim = { state: 'refused', until, leaseUntil: Number.POSITIVE_INFINITY, serial: 0, refuser }
    this.memory.claims.set(`${state} ${tokenOf(this.plan, ask, index)}`, claim)
  }

  private settleClaim(check: ClaimCheck, receipt: ReferenceReceipt, key: Key, to: 'held' | 'paid'): void {
    const state = nameOf(receipt.ask.bot, check.slot, key)
    const token = tokenOf(receipt.plan, receipt.ask, receipt.plan.checks.indexOf(check))
    const claim = this.memory.claims.get(`${state} ${token}`)
    if (claim === undefined || this.standingOf(check, state, token) === undefined) return
    const late = claim.state === 'running' && claim.leaseUntil <= this.now()
    if (late && to === 'held') claim.state = 'held'
    if (!late && claim.serial === receipt.serial && claim.state !== 'refused') claim.state = to
  }

  private bannedUntil({ onRefusal }: Check, state: string): number {
    if (onRefusal?.penalty === undefined) return Number.NEGATIVE_INFINITY
    return this.memory.penalties.get(state)?.bannedUntil ?? Number.NEGATIVE_INFINITY
  }

  private punish(consequence: Consequence | undefined, state: string, cause: RefusalCause): boolean {
    if (consequence === undefined) return false
    const never = Number.NEGATIVE_INFINITY
    const now = this.now()
    const found = this.memory.penalties.get(state)
    const penalty = found ?? {
      violations: 0,
      countedUntil: never,
      level: 0,
      bannedUntil: never,
      forgetAt: never,
      noticedUntil: never,
    }
    this.memory.penalties.set(state, penalty)
    const rule = consequence.penalty
    if (rule !== undefined && cause === 'check') {
      if (penalty.countedUntil <= now) {
        penalty.violations = 0
        penalty.countedUntil = now + rule.within
      }
      penalty.violations++
      if (penalty.violations >= rule.after) {
        if (penalty.forgetAt <= now) penalty.level = 0
        const ban = rule.bans[Math.min(penalty.level, rule.bans.length - 1)] as number
        penalty.level++
        penalty.bannedUntil = now + ban
        penalty.forgetAt = now + ban + Math.max(...rule.bans)
        penalty.countedUntil = never
      }
    }
    if (consequence.noticeEvery === undefined || penalty.noticedUntil > now) return false
    penalty.noticedUntil = now + consequence.noticeEvery
    return true
  }
}

function nameOf(bot: number, slot: string, key: Key): string {
  return `${bot}/${slot}/${keyText(key)}`
}

function splitName(name: string): [string, number] {
  const space = name.lastIndexOf(' ')
  return [name.slice(0, space), Number(name.slice(space + 1))]
}

function togetherOf(state: string, token: number): string {
  return `${state} ${Math.floor(token / TOKENS_TOGETHER)}`
}

function tokenOf({ checks }: Plan, ask: Ask, index: number): number {
  const nth = checks.slice(0, index).filter(({ kind }) => kind === 'claim').length
  return ask.tokens[nth] as number
}

function unitsOf(cost: number, { per }: Limit): bigint {
  return BigInt(Math.max(1, Math.round(cost * per)))
}

function depthOf({ amount, per, burst = amount }: Limit): bigint {
  return BigInt(burst) * BigInt(per)
}

function thousandthsOf(cost: number): number {
  return Math.max(1, Math.round(cost * THOUSAND))
}

/** Stamps of an exact window are kept for as many units as the largest limit that the plan names. */
function ringOf({ limit, variants = [] }: WindowCheck): number {
  return Math.max(limit.amount, ...variants.map((each) => (each.limit === 'stored' ? 0 : each.limit.amount)))
}

function amountOf(check: WindowCheck, { amount }: Limit): number {
  return check.form === 'log' ? Math.min(amount, ringOf(check)) : amount
}

function sum(charges: readonly Charge[]): number {
  return charges.reduce((total, { size }) => total + size, 0)
}

/** When the span of the last charge began. */
function lastSpanOf({ last, start }: Window, { per }: Limit): number {
  return start + Math.floor((last - start) / per) * per
}
