/*
 * npm run bench:scale: the time of a decision with a thousand to five million users, its distribution, and the memory that users take.
 * Compared to rate-limiter-flexible's memory limiter in the same process; each size runs in its own process.
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type Ask, type Judge, type Limit, memory, type Plan, userKey } from 'grammy-sentinel'
import rateLimiterFlexible from 'rate-limiter-flexible'
import { type Finding, median, part, processorTime, run } from './compare.js'

const LEAST = 1000
const SIZES = [LEAST, 10_000, 100_000, 1_000_000, 5_000_000]
/** Most users for the rival, which uses a timer and half a kilobyte for each: more would take minutes and gigabytes. */
const MOST_FOR_RIVAL = 1_000_000
/** Users needed to tell their memory from other allocations of the process; for smaller sizes several storages are filled. */
const ENOUGH = 100_000
const ROUNDS = part(9)
const CALLS = 50_000

/**
 * Refuses nobody, and forgets nobody during the run: a bucket is dropped when it is full again, so a unit has to return later
 * than it takes to go through millions of users.
 */
const LIMIT: Limit = { amount: 100, per: 86_400_000, burst: 100_000 }

const PLAN: Plan = {
  name: 'scale',
  scopes: ['actor', 'global'],
  checks: [
    { kind: 'absent', guard: 'block', slot: 'block', subject: 0, anyOf: ['blocked'] },
    {
      kind: 'claim',
      guard: 'once',
      slot: 'once',
      subject: 1,
      tokens: 'sequence',
      holdFor: 86_400_000,
      whenHeld: 'refuse',
    },
    {
      kind: 'bucket',
      guard: 'throttle',
      slot: 'user',
      subject: 0,
      limit: LIMIT,
    },
  ],
}

const COSTS = [1, 1, 1]
const collect = globalThis.gc as () => void

/** The measurements of one size; `rival` if it was measured. */
interface Taken {
  readonly ours: number
  readonly rival: number | undefined
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly bytes: number
}

/** Waits a turn before collecting, since released memory is only collected then. */
async function used(): Promise<number> {
  collect()
  await new Promise((done) => setTimeout(done, 50))
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** Nanoseconds of single calls, sorted. Reading the clock takes some forty of them. */
function spread(once: () => void): number[] {
  const taken: number[] = []
  for (let i = 0; i < CALLS; i++) {
    const from = process.hrtime.bigint()
    once()
    taken.push(Number(process.hrtime.bigint() - from))
  }
  return taken.sort((a, b) => a - b)
}

const at = (sorted: readonly number[], share: number) => sorted[Math.floor(sorted.length * share)] as number

/** A storage that this many users have used, and a function that asks it for a user. */
function usedBy(users: number) {
  const storage = memory({ maxSubjects: users * 2 })
  const judge = storage.prepare(PLAN) as Judge
  let update = 1
  const ask = (user: number): Ask => ({
    bot: 42,
    subjects: [userKey(1_000_000 + user), 'g'],
    costs: COSTS,
    tokens: [update++],
  })
  for (let user = 0; user < users; user++) judge.evaluate(ask(user))
  return { storage, judge, ask }
}

type Storing = ReturnType<typeof usedBy>

async function measure(users: number): Promise<Taken> {
  // The very first users also cause allocations of the process, mostly compiled code, which are not counted.
  await usedBy(LEAST).storage.close()
  const before = await used()
  const copies = Array.from({ length: Math.max(1, ENOUGH / users) }, () => usedBy(users))
  const bytes = ((await used()) - before) / (users * copies.length)
  const { storage, judge, ask } = copies[0] as Storing
  for (const other of copies.slice(1)) await other.storage.close()
  const { tracked } = await storage.health()
  if (tracked !== users) throw new Error(`${tracked} of ${users} users are kept: that is no room to measure`)
  const somebody = () => Math.floor(Math.random() * users)
  const ours: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const taken = await processorTime(CALLS, () => {
      for (let i = 0; i < CALLS; i++) judge.evaluate(ask(somebody()))
    })
    ours.push(taken)
  }
  const single = spread(() => judge.evaluate(ask(somebody())))
  let rival: number | undefined
  if (users <= MOST_FOR_RIVAL) {
    const limiter = new rateLimiterFlexible.RateLimiterMemory({ points: 1e9, duration: 86_400 })
    for (let user = 0; user < users; user++) await limiter.consume(user)
    const taken: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const ns = await processorTime(CALLS, async () => {
        for (let i = 0; i < CALLS; i++) await limiter.consume(somebody())
      })
      taken.push(ns)
    }
    rival = median(taken)
  }
  await storage.close()
  return {
    ours: median(ours),
    rival,
    p50: at(single, 0.5),
    p99: at(single, 0.99),
    p999: at(single, 0.999),
    bytes,
  }
}

/** Runs a size in its own process, so that it is not affected by the memory of the previous size. */
function inProcess(users: number): Promise<Taken> {
  return new Promise((done, fail) => {
    const child = fork(fileURLToPath(import.meta.url), [String(users)])
    child.once('message', (taken) => done(taken as Taken))
    child.once('error', fail)
    child.once('exit', (code) => fail(new Error(`${users} users ended with ${code} before they answered`)))
  })
}

async function compare(): Promise<void> {
  const findings: Finding[] = []
  console.log('| users | evaluate | consume | p50 | p99 | p99.9 | bytes a user |')
  console.log('|---:|---:|---:|---:|---:|---:|---:|')
  for (const users of SIZES) {
    const { ours, rival, p50, p99, p999, bytes } = await inProcess(users)
    const name = users.toLocaleString('en')
    const shown = rival === undefined ? '' : `${rival.toFixed(0)} ns`
    console.log(
      `| ${name} | ${ours.toFixed(0)} ns | ${shown} | ${p50} ns | ${p99} ns | ${p999} ns | ${bytes.toFixed(0)} |`,
    )
    findings.push({ what: `evaluate, ${name} users`, measured: ours, unit: 'ns' })
    if (rival !== undefined)
      findings.push({ what: `rate-limiter-flexible, ${name} users`, measured: rival, unit: 'ns' })
    findings.push({ what: `evaluate, p99.9, ${name} users`, measured: p999, unit: 'ns' })
    findings.push({ what: `bytes a user, ${name} users`, measured: bytes, unit: 'B' })
  }
  process.exitCode = run(findings) ? 1 : 0
}

const users = Number(process.argv[2])
if (process.send !== undefined && SIZES.includes(users)) {
  process.send(await measure(users), () => process.exit(0))
} else await compare()
