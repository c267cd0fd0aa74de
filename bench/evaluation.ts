import type { Ask, Judge, Key, Plan, Storage } from 'grammy-sentinel'
import { memory, sentinel, userKey } from 'grammy-sentinel'
import rateLimiterFlexible from 'rate-limiter-flexible'
import { type Finding, median, nanoseconds, part } from './compare.js'

const ROUNDS = part(20)
const CALLS = 200_000

/** Returns the plan that `sentinel()` uses by default, as it is passed to the storage. */
function defaultPlan(): Plan {
  let plan: Plan | undefined
  const inner = memory()
  const spy: Storage = {
    marks: inner.marks,
    users: inner.users,
    values: inner.values,
    sessions: (options) => inner.sessions(options),
    watch: (listener) => inner.watch(listener),
    prepare(given) {
      plan = given
      return inner.prepare(given)
    },
    reset: (bot, key, slot) => inner.reset(bot, key, slot),
    health: () => inner.health(),
    close: () => inner.close(),
  }
  sentinel({ storage: spy })
  return plan as Plan
}

/** Makes asks as for a plain private message. */
function asker(plan: Plan): (user: number, update: number) => Ask {
  const at = (scope: string): number => {
    const index = plan.scopes.indexOf(scope)
    if (index < 0) throw new Error(`The plan has no scope "${scope}"; it has ${plan.scopes.join(', ')}.`)
    return index
  }
  const actor = at('actor')
  // The only check on chats is that for blocks, which are marks.
  const chat = at('chat.marks')
  const asked = new Set(['block.actor', 'block.chat', 'once', 'throttle.user'])
  const costs = plan.checks.map(({ slot }) => (asked.has(slot) ? 1 : 0))
  const blank: readonly (Key | undefined)[] = plan.scopes.map(() => undefined)
  const global = at('global')
  return (user, update) => {
    // As the chain does it: a copy with only the scopes that are needed.
    const subjects = blank.slice()
    subjects[actor] = userKey(user)
    subjects[chat] = userKey(user)
    subjects[global] = 'g'
    return { bot: 42, subjects, costs, tokens: [update] }
  }
}

const idOf = (index: number): number => 100_000_000 + index * 7

interface Measured {
  readonly ours: number[]
  readonly rival: number[]
  readonly bytes: number
  readonly slowest: number
}

async function measure(users: number, plan: Plan): Promise<Measured> {
  // A limit that is never reached in this run, whose state lives as long as the run.
  const roomy: Plan = {
    ...plan,
    checks: plan.checks.map((check) =>
      check.kind === 'bucket'
        ? { ...check, limit: { amount: 100_000, per: 86_400_000, burst: 100_000 } }
        : check,
    ),
  }
  const ask = asker(roomy)
  globalThis.gc?.()
  const before = process.memoryUsage()
  const storage = memory({ maxSubjects: 2_000_000 })
  const judge = storage.prepare(roomy) as Judge
  let update = 1
  let slowest = 0
  for (let i = 0; i < users; i++) {
    const start = performance.now()
    judge.evaluate(ask(idOf(i), update++))
    slowest = Math.max(slowest, performance.now() - start)
  }
  globalThis.gc?.()
  const after = process.memoryUsage()
  const bytes = (after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers) / users

  const limiter = new rateLimiterFlexible.RateLimiterMemory({ points: 1_000_000, duration: 86_400 })
  for (let i = 0; i < users; i++) await limiter.consume(idOf(i))
  const order = Array.from({ length: CALLS }, () => idOf(Math.floor(Math.random() * users)))
  const ours: number[] = []
  const rival: number[] = []
  const askUs = (): void => {
    for (let i = 0; i < CALLS; i++) judge.evaluate(ask(order[i] as number, update++))
  }
  const askRival = async (): Promise<void> => {
    for (let i = 0; i < CALLS; i++) await limiter.consume(order[i] as number)
  }
  for (let round = 0; round <= ROUNDS; round++) {
    const pair: [number, number] =
      round % 2 === 0
        ? [await nanoseconds(CALLS, askUs), await nanoseconds(CALLS, askRival)]
        : ([await nanoseconds(CALLS, askRival), await nanoseconds(CALLS, askUs)].reverse() as [
            number,
            number,
          ])
    // The first round is a warm-up for both.
    if (round === 0) continue
    ours.push(pair[0])
    rival.push(pair[1])
  }
  for (let i = 0; i < users; i++) await limiter.delete(idOf(i))
  await storage.close()
  return { ours, rival, bytes, slowest }
}

/** Compares `evaluate` of the default chain to the rival's `consume`, with a thousand and with a million users. */
export async function evaluation(): Promise<Finding[]> {
  const plan = defaultPlan()
  const few = await measure(1_000, plan)
  const many = await measure(1_000_000, plan)
  const say = (users: string, { ours, rival }: Measured): void =>
    console.log(
      `${users} users: evaluate ${median(ours).toFixed(0)} ns, consume ${median(rival).toFixed(0)} ns`,
    )
  say('1,000', few)
  say('1,000,000', many)
  const paired = many.rival.map((ns, round) => ns / (many.ours[round] as number))
  return [
    { what: 'consume / evaluate at 1,000,000 users', measured: median(paired), unit: 'x', least: 6 },
    {
      what: 'evaluate at 1,000,000 / at 1,000 users',
      measured: median(many.ours) / median(few.ours),
      unit: 'x',
      most: 5,
    },
    { what: 'bytes a tracked user at 1,000,000', measured: many.bytes, unit: 'B', most: 64 },
    {
      what: 'slowest single evaluate while filling to 1,000,000 (GC and neighbours included)',
      measured: many.slowest,
      unit: 'ms',
    },
  ]
}
