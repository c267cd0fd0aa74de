import type { Ask, Check, Judge, MaybePromise, Plan } from '../../../src/core/check.js'
import { GLOBAL_KEY, type Key, userKey } from '../../../src/core/subject.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { type HybridOptions, hybrid } from '../../../src/storage/hybrid.js'
import { Stage } from '../../middleware/rig.js'
import { having } from '../audited.js'
import { type Faulty, faulty } from '../faulty.js'

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

/** A check as that of `once`. */
export const once: Check = {
  kind: 'claim',
  guard: 'once',
  slot: 'once',
  subject: 1,
  tokens: 'sequence',
  holdFor: 86_400_000,
  retry: true,
  whenHeld: 'refuse',
}

export function bucket(amount: number, more: Partial<Check> = {}): Check {
  const limit = { amount, per: 60_000 }
  return { kind: 'bucket', guard: 'throttle', slot: 'throttle.user', subject: 0, limit, ...more } as Check
}

export function window(amount: number, more: Partial<Check> = {}): Check {
  return { ...bucket(amount), kind: 'window', form: 'log', ...more } as Check
}

export function planOf(...checks: readonly Check[]): Plan {
  return { name: 'chain', scopes: ['user', 'global'], checks }
}

const COSTS = Array.from({ length: 31 }, () => 1)
let updates = 1000

/** The next update's request. */
export function askOf(key: Key = ALICE, update = ++updates): Ask {
  return { bot: BOT, subjects: [key, GLOBAL_KEY], costs: COSTS, tokens: [update] }
}

/** Workers on one slow storage, and a clock that is moved by hand. */
export class Desk {
  readonly time = new Stage()
  readonly remote: Faulty = faulty(this.time.clock, this.time.timers)
  private readonly judges = new Map<string, MaybePromise<Judge>>()
  private readonly opened: Storage[] = []

  /** Creates another worker. Memory storage treats every plan as a newer version, so equal plans are prepared once. */
  worker(options: HybridOptions = {}): Storage {
    const storage = hybrid(this.place(), {
      clock: this.time.clock,
      timers: this.time.timers,
      ...options,
    })
    this.opened.push(storage)
    return storage
  }

  /** The storage that all workers share. */
  place(): Storage {
    return having(this.remote, {
      prepare: (plan) => {
        const name = JSON.stringify(plan)
        const judge = this.judges.get(name) ?? this.remote.prepare(plan)
        this.judges.set(name, judge)
        return judge
      },
      close: () => undefined,
    })
  }

  /** A worker's judge, once the worker receives changes. */
  async judge(worker: Storage, ...checks: readonly Check[]): Promise<Judge> {
    const judge = await worker.prepare(planOf(...checks))
    await settled()
    return judge
  }

  /** The number of calls to the storage from now on. */
  trips(what = 'evaluate'): () => number {
    const { asked } = this.remote
    const from = asked.length
    return () => asked.slice(from).filter((each) => each === what).length
  }

  async close(): Promise<void> {
    for (const storage of this.opened) await storage.close()
    await this.remote.close()
  }
}

/** Lets all pending promises continue, without advancing the clock. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await new Promise((done) => setImmediate(done))
}
