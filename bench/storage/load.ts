import { median } from '../compare.js'

/** One of those compared: does its work once. The number rises by one with each call. */
export interface Contender {
  readonly name: string
  readonly once: (nth: number) => Promise<unknown>
}

/** Keeps so many at work for so long; how many were done a second. */
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

/** How long each of so many took, one after another, in microseconds: the middle one. */
export async function latency(contender: Contender, times: number, from: number): Promise<number> {
  const taken: number[] = []
  for (let i = 0; i < times; i++) {
    const start = process.hrtime.bigint()
    await contender.once(from + i)
    taken.push(Number(process.hrtime.bigint() - start) / 1000)
  }
  return median(taken)
}

/** Rates of all, in turn and round after round, so that what else the machine does hits all alike: the medians by name. */
export async function rates(
  contenders: readonly Contender[],
  inFlight: number,
  { rounds, ms }: { readonly rounds: number; readonly ms: number },
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

/** Numbers that nobody has used yet. */
export function next(count: number): number {
  last += count
  return last - count
}
