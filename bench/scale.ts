/*
 * npm run bench:scale: what a decision takes with a thousand users and with five million, how evenly, and how much room users take.
 * Beside rate-limiter-flexible's memory limiter, in the same process; each size has one of its own.
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type Ask, type Judge, type Limit, memory, type Plan, userKey } from 'grammy-sentinel'
import rateLimiterFlexible from 'rate-limiter-flexible'
import { type Finding, median, part, processorTime, run } from './compare.js'

const LEAST = 1000
const SIZES = [LEAST, 10_000, 100_000, 1_000_000, 5_000_000]
/** A timer and half a kilobyte a user: of more the rival takes minutes, and gigabytes. */
const MOST_FOR_RIVAL = 1_000_000
/** Users whose room tells from what else comes and goes in a process: of a smaller size there are several storages. */
const ENOUGH = 100_000
const ROUNDS = part(9)
const CALLS = 50_000

/**
 * Nobody is refused, and nobody is forgotten meanwhile: a bucket that is full again is no longer kept, so a unit is to come back later
 * than millions of users take.
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

/** What a size takes; `rival` where it was measured. */
interface Taken {
  readonly ours: number
  readonly rival: number | undefined
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly bytes: number
}

/** What was let go is collected in a turn of its own. */
async function used(): Promise<number> {
  collect()
  await new Promise((done) => setTimeout(done, 50))
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** Nanoseconds of single calls, sorted. The clock itself takes some forty of them. */
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

/** A storage that so many have used, and what asks it for a user. */
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
  // What the first users of all bring with them, compiled code above all, is nobody's room.
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

/** In a process of its own: what the size before has left is neither in the room of this one nor in its way. */
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
  process.exitCode = (await run(findings)) ? 1 : 0
}

const users = Number(process.argv[2])
if (process.send !== undefined && SIZES.includes(users)) {
  process.send(await measure(users), () => process.exit(0))
} else await compare()
