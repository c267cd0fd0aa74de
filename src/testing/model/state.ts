import type { Ask, BucketCheck, Plan, RefusalCause, WindowCheck } from '../../core/check.js'
import type { Limit } from '../../core/limit.js'
import { type Key, keyText } from '../../core/subject.js'

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
  /** Indexes of the checks whose claim was taken, and of those whose limit was charged. */
  taken: number[]
  charged: number[]
  limits: Limit[]
}

export type LimitedCheck = BucketCheck | WindowCheck

/** State of a bucket at the time `at`: the number of missing units, with `per` units to a token. `amount` units return per ms. */
interface Bucket {
  missing: bigint
  amount: bigint
  at: number
}
/** A charge: one for each unit in exact windows, otherwise one for each request, in thousandths. */
export interface Charge {
  at: number
  size: number
}
export interface Window {
  charges: Charge[]
  /** When the fixed window, or the current span of two counters, began. */
  start: number
  /** When it was last charged, even if that charge was refunded. */
  last: number
}
export interface Claim {
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
/** The whole state, as plain data, so that a peek can work on a copy. */
export interface Memory {
  started: boolean
  clock: number
  own: number
  serial: number
  buckets: Map<string, Bucket>
  windows: Map<string, Window>
  claims: Map<string, Claim>
  penalties: Map<string, Penalty>
  /** When each group of 4,096 consecutive tokens expires. */
  lapses: Map<string, number>
}

const TOKENS_TOGETHER = 4096

export function emptyMemory(): Memory {
  return {
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
}

export function nameOf(bot: number, slot: string, key: Key): string {
  return `${bot}/${slot}/${keyText(key)}`
}

export function splitName(name: string): [string, number] {
  const space = name.lastIndexOf(' ')
  return [name.slice(0, space), Number(name.slice(space + 1))]
}

export function togetherOf(state: string, token: number): string {
  return `${state} ${Math.floor(token / TOKENS_TOGETHER)}`
}

export function tokenOf({ checks }: Plan, ask: Ask, index: number): number {
  const nth = checks.slice(0, index).filter(({ kind }) => kind === 'claim').length
  return ask.tokens[nth] as number
}
