import { setTimeout as sleep } from 'node:timers/promises'
import type { Ask, Judge, Plan } from '../../../src/core/check.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { hybrid, type LeasingOptions } from '../../../src/storage/hybrid.js'
import { postgres } from '../../../src/storage/postgres/index.js'
import { redis } from '../../../src/storage/redis/index.js'

/** Where a worker keeps its state. */
export interface Place {
  readonly kind: 'redis' | 'postgres'
  readonly url: string
  /** The prefix of keys, or the schema. */
  readonly name: string
  /** Whether a hybrid() is in front of it. */
  readonly near?: boolean
  readonly lease?: LeasingOptions
}

/** The commands for a worker, and their answers. */
export interface Jobs {
  /** Opens the storage and prepares the plan. */
  open: { ask: { place: Place; plan: Plan }; answer: undefined }
  /** Prepares a newer plan. */
  prepare: { ask: { plan: Plan }; answer: undefined }
  /** Makes the same request this many times, with this many at once; returns how many were admitted. */
  hammer: { ask: { ask: Ask; times: number; atOnce: number }; answer: number }
  /** Makes a request for each token; returns the tokens that were admitted. */
  take: { ask: { ask: Ask; tokens: readonly number[] }; answer: number[] }
  /** What is left, by check. */
  left: { ask: { ask: Ask }; answer: number[] }
  /** Makes the request every few milliseconds until the result changes; returns the time, in milliseconds since 1970. */
  turn: { ask: { ask: Ask; to: 'admitted' | 'refused' }; answer: number }
  /** The number of storage calls for decisions so far. */
  trips: { ask: undefined; answer: number }
  close: { ask: undefined; answer: undefined }
}

let storage: Storage | undefined
let judge: Judge | undefined

function storageAt({ kind, url, name, near, lease }: Place): Storage {
  const remote =
    kind === 'redis' ? redis(url, { prefix: name }) : postgres(url, { schema: name, connections: 3 })
  return near === true ? hybrid(remote, lease === undefined ? {} : { lease }) : remote
}

const isAdmitted = async (ask: Ask): Promise<boolean> => {
  if (judge === undefined) throw new Error('no plan')
  return (await judge.evaluate(ask)).refusedBy === -1
}

const jobs: { readonly [Job in keyof Jobs]: (ask: Jobs[Job]['ask']) => Promise<Jobs[Job]['answer']> } = {
  async open({ place, plan }) {
    await storage?.close()
    storage = storageAt(place)
    judge = await storage.prepare(plan)
    return undefined
  },
  async prepare({ plan }) {
    judge = await storage?.prepare(plan)
    return undefined
  },
  async hammer({ ask, times, atOnce }) {
    let left = times
    let admitted = 0
    const lane = async (): Promise<void> => {
      while (left-- > 0) if (await isAdmitted(ask)) admitted++
    }
    await Promise.all(Array.from({ length: atOnce }, lane))
    return admitted
  },
  async take({ ask, tokens }) {
    const won: number[] = []
    await Promise.all(
      tokens.map(async (token) => {
        if (await isAdmitted({ ...ask, tokens: ask.tokens.map(() => token) })) won.push(token)
      }),
    )
    return won
  },
  async left({ ask }) {
    const decision = await judge?.peek(ask)
    return [...(decision?.remaining ?? [])]
  },
  async turn({ ask, to }) {
    const deadline = Date.now() + 20_000
    while ((await isAdmitted(ask)) !== (to === 'admitted')) {
      if (Date.now() > deadline) throw new Error(`not ${to} within 20 s`)
      await sleep(5)
    }
    return Date.now()
  },
  async trips() {
    return (await storage?.health())?.hybrid?.trips ?? 0
  },
  async close() {
    await storage?.close()
    storage = undefined
    return undefined
  },
}

process.on('message', (message: { id: number; job: keyof Jobs; ask: never }) => {
  const { id, job, ask } = message
  jobs[job](ask).then(
    (answer) => process.send?.({ id, answer }),
    (error: unknown) => process.send?.({ id, error: String(error) }),
  )
})
// The parent process has ended.
process.on('disconnect', () => process.exit(0))
