import type { Ask, ClaimCheck, Plan } from '../../core/check.js'
import type { Key } from '../../core/subject.js'
import {
  type Claim,
  type Memory,
  nameOf,
  type ReferenceReceipt,
  splitName,
  togetherOf,
  tokenOf,
} from './state.js'

/** Returns the current claim on a token; undefined if it is free. */
export function standingOf(
  memory: Memory,
  check: ClaimCheck,
  state: string,
  token: number,
): Claim | undefined {
  const now = memory.own
  const claim = memory.claims.get(`${state} ${token}`)
  if (claim === undefined) return undefined
  const until = check.tokens === 'sequence' ? (memory.lapses.get(togetherOf(state, token)) ?? 0) : claim.until
  if (until <= now) return undefined
  const lapsed = claim.state === 'running' && claim.leaseUntil <= now
  const leaseUntil = claim.state === 'running' ? claim.leaseUntil : Number.POSITIVE_INFINITY
  return { ...claim, until, leaseUntil, state: lapsed ? 'paid' : claim.state }
}

export function takeClaim(
  memory: Memory,
  check: ClaimCheck,
  plan: Plan,
  ask: Ask,
  index: number,
  serial: number,
): void {
  const now = memory.own
  const state = nameOf(ask.bot, check.slot, ask.subjects[check.subject] as Key)
  const token = tokenOf(plan, ask, index)
  if (check.tokens === 'sequence') {
    const together = togetherOf(state, token)
    if ((memory.lapses.get(together) ?? 0) <= now) {
      for (const name of [...memory.claims.keys()]) {
        const [own, other] = splitName(name)
        if (own === state && togetherOf(state, other) === together) memory.claims.delete(name)
      }
    }
    memory.lapses.set(together, now + check.holdFor)
  }
  memory.claims.set(`${state} ${token}`, {
    state: check.lease === undefined ? 'held' : 'running',
    until: now + check.holdFor,
    leaseUntil: now + (check.lease ?? Number.POSITIVE_INFINITY),
    serial,
    refuser: '',
  })
}

export function refuseClaim(
  memory: Memory,
  check: ClaimCheck,
  plan: Plan,
  ask: Ask,
  index: number,
  refuser: string,
): void {
  const until = memory.own + check.holdFor
  const state = nameOf(ask.bot, check.slot, ask.subjects[check.subject] as Key)
  const claim: Claim = { state: 'refused', until, leaseUntil: Number.POSITIVE_INFINITY, serial: 0, refuser }
  memory.claims.set(`${state} ${tokenOf(plan, ask, index)}`, claim)
}

export function settleClaim(
  memory: Memory,
  check: ClaimCheck,
  receipt: ReferenceReceipt,
  key: Key,
  to: 'held' | 'paid',
): void {
  const state = nameOf(receipt.ask.bot, check.slot, key)
  const token = tokenOf(receipt.plan, receipt.ask, receipt.plan.checks.indexOf(check))
  const claim = memory.claims.get(`${state} ${token}`)
  if (claim === undefined || standingOf(memory, check, state, token) === undefined) return
  const late = claim.state === 'running' && claim.leaseUntil <= memory.own
  if (late && to === 'held') claim.state = 'held'
  if (!late && claim.serial === receipt.serial && claim.state !== 'refused') claim.state = to
}
