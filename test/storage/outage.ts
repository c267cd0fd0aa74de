import type { Ask, Check, Decision, Judge, Plan } from '../../src/core/check.js'
import type { Timers } from '../../src/core/clock.js'
import { userKey } from '../../src/core/subject.js'
import type { StorageCondition } from '../../src/storage/contract/condition.js'
import { makeResilient } from '../../src/storage/protection/make-resilient.js'
import type { ResilientOptions } from '../../src/storage/resilient/options.js'
import type { ResilientStorage } from '../../src/storage/resilient/storage.js'
import { Stage } from '../middleware/rig.js'
import { type Faulty, faulty } from './faulty.js'

export const BOT = 42
export const ALICE = userKey(7)
export const BOB = userKey(8)

export const blocked: Check = {
  kind: 'absent',
  guard: 'block',
  slot: 'block',
  subject: 0,
  anyOf: ['blocked'],
}

export function bucket(amount: number, more: Partial<Check> = {}): Check {
  const limit = { amount, per: 60_000 }
  return { kind: 'bucket', guard: 'throttle', slot: 'bucket', subject: 0, limit, ...more } as Check
}

export function claim(more: Partial<Check> = {}): Check {
  const own = { tokens: 'digest', holdFor: 60_000, whenHeld: 'refuse', retry: true } as const
  return { kind: 'claim', guard: 'once', slot: 'claim', subject: 0, ...own, ...more } as Check
}

export function planOf(...checks: readonly Check[]): Plan {
  return { name: 'chain', scopes: ['user'], checks }
}

const COSTS = Array.from({ length: 31 }, () => 1)

export function askOf(key = ALICE, tokens: readonly number[] = [], bot = BOT): Ask {
  return { bot, subjects: [key], costs: COSTS, tokens }
}

/** Lets all pending promises continue, without advancing the clock. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((done) => setImmediate(done))
}

/** Advances the clock in small steps, and lets pending work continue after each. */
export async function passing(time: Stage, ms: number, step = 25): Promise<void> {
  await settled()
  for (let left = ms; left > 0; left -= step) {
    time.advance(Math.min(step, left))
    await settled()
  }
}

/** Makes a storage fail until it counts as down. */
export async function goDown(remote: Faulty, judge: Judge): Promise<void> {
  remote.fault = 'refuses'
  for (let i = 0; i < 5; i++) await judge.evaluate(askOf(userKey(1000 + i), [1000 + i]))
}

/** A storage that can be made to fail, a resilient() around it, and a clock that is moved by hand. */
export interface Outage {
  readonly time: Stage
  readonly remote: Faulty
  readonly storage: ResilientStorage
  readonly told: StorageCondition[]
  /** The number of timers that have not fired. */
  readonly armed: () => number
  /** Advances the clock in small steps, and lets pending work continue after each. */
  pass(ms: number): Promise<void>
  judgeOf(...checks: readonly Check[]): Promise<Judge>
  /** Makes the storage fail until it counts as down. */
  goDown(judge: Judge): Promise<void>
}

export function outage(options: ResilientOptions = {}): Outage {
  const time = new Stage()
  let armed = 0
  const timers: Timers = {
    after(ms, run) {
      armed++
      let done = false
      const end = (): void => {
        if (!done) armed--
        done = true
      }
      const callOff = time.timers.after(ms, () => {
        end()
        run()
      })
      return () => {
        end()
        callOff()
      }
    },
  }
  const remote = faulty(time.clock, time.timers)
  const storage = makeResilient(remote, { clock: time.clock, timers, ...options })
  const told: StorageCondition[] = []
  storage.observe((condition) => told.push(condition))
  return {
    time,
    remote,
    storage,
    told,
    armed: () => armed,
    pass: (ms) => passing(time, ms),
    async judgeOf(...checks) {
      const judge = await storage.prepare(planOf(...checks))
      await settled()
      return judge
    },
    goDown: (judge) => goDown(remote, judge),
  }
}

export function isAdmitted({ refusedBy }: Decision): boolean {
  return refusedBy === -1
}
