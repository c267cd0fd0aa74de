import type { Judge, Plan, Storage } from 'grammy-sentinel'
import { median } from '../compare.js'
import { askOf } from './chain.js'

/** A contender: performs its work once per call. The number grows by one with each call. */
export interface Contender {
  readonly name: string
  readonly once: (nth: number) => Promise<unknown>
}

export interface Rounds {
  readonly rounds: number
  readonly ms: number
}

/** A storage of ours with a plan that refuses nobody. */
export async function ours(storage: Storage, name: string, plan: Plan): Promise<Contender> {
  const judge: Judge = await storage.prepare(plan)
  return {
    name,
    async once(nth) {
      const { refusedBy } = await judge.evaluate(askOf(plan, nth))
      if (refusedBy !== -1) throw new Error(`${name}: refused by ${refusedBy}`)
    },
  }
}

/** Keeps this many calls under way for a time; returns how many were completed per second. */
export async function rate(
  contender: Contender,
  inFlight: number,
  ms: number,
  from: number,
): Promise<number> {
  let nth = from
  let done = 0
  const start = performance.now()
  const end = start + ms
  const worker = async (): Promise<void> => {
    while (performance.now() < end) {
      await contender.once(nth++)
      done++
    }
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
  return (done * 1000) / (performance.now() - start)
}

/** Calls one after another; returns the median latency in microseconds. */
export async function latency(contender: Contender, times: number, from: number): Promise<number> {
  const taken: number[] = []
  for (let i = 0; i < times; i++) {
    const start = process.hrtime.bigint()
    await contender.once(from + i)
    taken.push(Number(process.hrtime.bigint() - start) / 1000)
  }
  return median(taken)
}

/** Rates of all contenders, in turn and in rounds, so that noise affects all alike; returns the medians by name. */
export async function rates(
  contenders: readonly Contender[],
  inFlight: number,
  { rounds, ms }: Rounds,
): Promise<Map<string, number>> {
  const found = new Map<string, number[]>(contenders.map(({ name }) => [name, []]))
  for (const contender of contenders) await rate(contender, inFlight, ms / 2, next(1_000_000))
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders) {
      found.get(contender.name)?.push(await rate(contender, inFlight, ms, next(1_000_000)))
    }
  }
  return new Map([...found].map(([name, values]) => [name, median(values)]))
}

let last = 0

/** Returns the first of `count` unused numbers. */
export function next(count: number): number {
  last += count
  return last - count
}
