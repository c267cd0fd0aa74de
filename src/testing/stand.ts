import type { Ask, BucketCheck, Check, Decision, Judge, MaybePromise, Plan, Receipt } from '../core/check.js'
import type { Clock } from '../core/clock.js'
import type { Ms } from '../core/duration.js'
import type { Limit } from '../core/limit.js'
import { chatKey, type Key, userKey } from '../core/subject.js'
import type { Storage } from '../storage/contract/storage.js'

export const START = 1_795_000_000_000
export const ALICE = userKey(1)
export const BOB = userKey(2)
export const FORMS = ['bucket', 'log', 'counters', 'fixed'] as const
export type Form = (typeof FORMS)[number]

/** A case of the suite, before it is bound to a storage. */
export interface Case {
  readonly name: string
  /** Needs a second storage that shares the state of the first. */
  readonly workers?: boolean
  run(stand: Stand): Promise<void>
}

type Spec = Partial<Omit<BucketCheck, 'kind'>>

export function limited(form: Form, limit: Limit, slot: string = form, more: Spec = {}): Check {
  const asked = { guard: 'throttle', slot, subject: 0, limit, ...more }
  return form === 'bucket' ? { kind: 'bucket', ...asked } : { kind: 'window', form, ...asked }
}

export function claim(more: Partial<Check & { kind: 'claim' }> = {}): Check {
  const asked = { guard: 'once', slot: 'claim', subject: 0, tokens: 'digest', holdFor: 1000 } as const
  return { kind: 'claim', whenHeld: 'refuse', ...asked, ...more }
}

export const blocked: Check = {
  kind: 'absent',
  guard: 'block',
  slot: 'block',
  subject: 0,
  anyOf: ['blocked'],
}

export function planOf(checks: readonly Check[]): Plan {
  return { name: 'chain', scopes: ['user', 'chat'], checks }
}

const costLists = new Map<number, readonly number[]>()

/** Returns one shared list for equal costs, as in a chain. */
function costsOf(cost: number): readonly number[] {
  let costs = costLists.get(cost)
  if (costs === undefined) {
    if (costLists.size > 100) costLists.clear()
    costs = Array.from({ length: 31 }, () => cost)
    costLists.set(cost, costs)
  }
  return costs
}

export function askOf(key: Key = ALICE, cost = 1, token = 0, bot = 1): Ask {
  return {
    bot,
    subjects: [key, chatKey(-100)],
    costs: costsOf(cost),
    tokens: Array.from({ length: 31 }, () => token),
  }
}

/** A storage under test, and its clock. */
export class Stand {
  now = START
  private readonly opened: Storage[] = []

  private constructor(private readonly open: (clock: Clock) => MaybePromise<Storage>) {}

  static async of(open: (clock: Clock) => MaybePromise<Storage>): Promise<Stand> {
    const stand = new Stand(open)
    await stand.another()
    return stand
  }

  get storage(): Storage {
    return this.opened[0] as Storage
  }

  /** Opens another storage in the same place, as another process would. */
  async another(): Promise<Storage> {
    const storage = await this.open(() => this.now)
    this.opened.push(storage)
    return storage
  }

  async close(): Promise<void> {
    for (const storage of this.opened) await storage.close()
  }

  async prepare(...checks: Check[]): Promise<Judge> {
    return this.storage.prepare(planOf(checks))
  }

  async ask(judge: Judge, ...of: Parameters<typeof askOf>): Promise<Decision> {
    return judge.evaluate(askOf(...of), this.now)
  }

  async peek(judge: Judge, ...of: Parameters<typeof askOf>): Promise<Decision> {
    return judge.peek(askOf(...of), this.now)
  }

  async admits(judge: Judge, ...of: Parameters<typeof askOf>): Promise<boolean> {
    return (await this.ask(judge, ...of)).refusedBy === -1
  }

  /** Asserts an admission and returns its receipt. */
  async admission(judge: Judge, ...of: Parameters<typeof askOf>): Promise<Receipt> {
    const { receipt, refusedBy } = await this.ask(judge, ...of)
    if (receipt === undefined) throw new Error(`no receipt: refused by ${refusedBy}`)
    return receipt
  }

  async block(key: Key = ALICE, until?: Ms): Promise<void> {
    const mark = { since: this.now, ...(until !== undefined && { until }) }
    await this.storage.marks.put(1, 'blocked', [{ key, mark }])
  }
}
