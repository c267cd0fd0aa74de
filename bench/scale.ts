/*
 * npm run bench:scale: what a decision takes with a thousand users and with five million, how evenly, and how much room users take.
 * Beside rate-limiter-flexible's memory limiter, in the same rounds.
 */
import { type Ask, type Judge, memory, type Plan, userKey } from 'grammy-sentinel'
import rateLimiterFlexible from 'rate-limiter-flexible'
import { type Finding, median, part, run } from './compare.js'

const SIZES = [1000, 10_000, 100_000, 1_000_000, 5_000_000]
/** A timer and half a kilobyte a user: of more the rival takes minutes, and gigabytes. */
const MOST_FOR_RIVAL = 1_000_000
const ROUNDS = part(9)
const CALLS = 50_000

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
      limit: { amount: 100_000, per: 86_400_000 },
    },
  ],
}

const COSTS = [1, 1, 1]
const collect = globalThis.gc as () => void

/** What the size before has left is let go in a turn of its own. */
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

const findings: Finding[] = []
console.log('| users | evaluate | consume | p50 | p99 | p99.9 | bytes a user |')
console.log('|---:|---:|---:|---:|---:|---:|---:|')
for (const users of SIZES) {
  const before = await used()
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
  const bytes = ((await used()) - before) / users
  const somebody = () => Math.floor(Math.random() * users)
  const ours: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const from = performance.now()
    for (let i = 0; i < CALLS; i++) judge.evaluate(ask(somebody()))
    ours.push(((performance.now() - from) * 1e6) / CALLS)
  }
  const single = spread(() => judge.evaluate(ask(somebody())))
  let rival: number | undefined
  if (users <= MOST_FOR_RIVAL) {
    const limiter = new rateLimiterFlexible.RateLimiterMemory({ points: 1e9, duration: 86_400 })
    for (let user = 0; user < users; user++) await limiter.consume(user)
    const taken: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const from = performance.now()
      for (let i = 0; i < CALLS; i++) await limiter.consume(somebody())
      taken.push(((performance.now() - from) * 1e6) / CALLS)
    }
    rival = median(taken)
    for (let user = 0; user < users; user++) await limiter.delete(user)
  }
  await storage.close()
  const [middle, late, latest] = [at(single, 0.5), at(single, 0.99), at(single, 0.999)]
  const shown = rival === undefined ? '' : `${rival.toFixed(0)} ns`
  console.log(
    `| ${users.toLocaleString('en')} | ${median(ours).toFixed(0)} ns | ${shown} | ${middle} ns | ${late} ns | ${latest} ns | ${bytes.toFixed(0)} |`,
  )
  const name = users.toLocaleString('en')
  findings.push({ what: `evaluate, ${name} users`, measured: median(ours), unit: 'ns' })
  if (rival !== undefined)
    findings.push({ what: `rate-limiter-flexible, ${name} users`, measured: rival, unit: 'ns' })
  findings.push({ what: `evaluate, p99.9, ${name} users`, measured: latest, unit: 'ns' })
  findings.push({ what: `bytes a user, ${name} users`, measured: bytes, unit: 'B' })
}
process.exitCode = (await run(findings)) ? 1 : 0
