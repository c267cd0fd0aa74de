import { pathToFileURL } from 'node:url'
import { Bot } from 'grammy'
import type { Update } from 'grammy/types'
import { type Ask, describe, type Judge, memory, type Plan, sentinel, userKey } from 'grammy-sentinel'
import rateLimiterFlexible from 'rate-limiter-flexible'
import { processorTime } from '../compare.js'
import { ME, messageFrom } from '../updates.js'

/** Rounds of each contender, in turn. The fastest counts, because noise only ever adds time. */
const ROUNDS = 15

const messageOf = (nth: number) => messageFrom(1_000_000 + (nth % 20_000) * 7, nth)

/** Compares the package to a rival: the ratio of the fastest rounds, in processor time. */
async function ratioOf(ours: () => Promise<void> | void, rival: () => Promise<void> | void): Promise<number> {
  await ours()
  await rival()
  let [least, leastOfRival] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (let round = 0; round < ROUNDS; round++) {
    least = Math.min(least, await processorTime(1, ours))
    leastOfRival = Math.min(leastOfRival, await processorTime(1, rival))
  }
  return least / leastOfRival
}

const PLAN: Plan = {
  name: 'gate',
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

async function evaluating(users: number, calls: number): Promise<number> {
  const judge = memory().prepare(PLAN) as Judge
  const limiter = new rateLimiterFlexible.RateLimiterMemory({ points: 1e9, duration: 86_400 })
  const costs = [1, 1, 1]
  let update = 1
  let who = 1
  // The same users for both, in an order that caches cannot predict.
  const next = () => {
    who = (who * 48_271) % 2_147_483_647
    return who % users
  }
  const ours = () => {
    for (let i = 0; i < calls; i++) {
      const ask: Ask = { bot: 42, subjects: [userKey(1_000_000 + next()), 'g'], costs, tokens: [update++] }
      judge.evaluate(ask)
    }
  }
  const rival = async () => {
    for (let i = 0; i < calls; i++) await limiter.consume(next())
  }
  // Timers of the rival end with this process.
  return ratioOf(ours, rival)
}

async function wholePath(): Promise<number> {
  const botWith = (install: (bot: Bot) => void) => {
    const bot = new Bot('42:token', { botInfo: ME })
    install(bot)
    bot.use(() => undefined)
    return bot
  }
  const guarded = botWith((bot) => bot.use(sentinel()))
  const limiter = new rateLimiterFlexible.RateLimiterMemory({ points: 1e9, duration: 86_400 })
  const limited = botWith((bot) =>
    bot.use(async (ctx, next) => {
      await limiter.consume(ctx.from?.id ?? 0)
      await next()
    }),
  )
  let update = 1
  const feed = (bot: Bot) => async () => {
    for (let i = 0; i < 4000; i++) {
      if (i % 100 === 0) await new Promise(setImmediate)
      await bot.handleUpdate(messageOf(update++))
    }
  }
  return ratioOf(feed(guarded), feed(limited))
}

async function describing(): Promise<number> {
  const texts = Array.from({ length: 2000 }, (_, nth) => JSON.stringify(messageOf(nth)))
  const updates = texts.map((text) => JSON.parse(text) as Update)
  let sum = 0
  return ratioOf(
    () => {
      for (let n = 0; n < 10; n++) for (const update of updates) sum += Number(describe(update).actorId ?? 0)
    },
    () => {
      for (const text of texts) sum += (JSON.parse(text) as Update).update_id
    },
  ).then((ratio) => (sum === 0 ? Number.NaN : ratio))
}

/** Ratio of the bytes allocated for a guarded update to those for an unguarded one. */
async function garbage(): Promise<number> {
  const collect = globalThis.gc as () => void
  const bytes = async (bot: Bot) => {
    let update = 1
    const feed = async (times: number) => {
      for (let i = 0; i < times; i++) await bot.handleUpdate(messageOf(update++))
    }
    await feed(20_000)
    collect()
    const before = process.memoryUsage().heapUsed
    // Few enough that the young generation is not collected.
    await feed(300)
    return process.memoryUsage().heapUsed - before
  }
  const bare = new Bot('42:token', { botInfo: ME })
  bare.use(() => undefined)
  const guarded = new Bot('42:token', { botInfo: ME })
  guarded.use(sentinel())
  guarded.use(() => undefined)
  return (await bytes(guarded)) / (await bytes(bare))
}

/** Each contest returns a ratio to a rival in the same process at the same time; lower is better. */
export const CONTESTS = {
  'evaluate, 1,000 users / rate-limiter-flexible': () => evaluating(1000, 20_000),
  'evaluate, 200,000 users / rate-limiter-flexible': () => evaluating(200_000, 20_000),
  'a bot with sentinel() / one with rate-limiter-flexible': wholePath,
  'ten times the facts of an update / parsing it once': describing,
  'bytes an update, with sentinel() / bare': garbage,
} as const

export type ContestName = keyof typeof CONTESTS

const isProgram = process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href
const name = process.argv[2]
if (isProgram && name !== undefined && name in CONTESTS) {
  const ratio = await CONTESTS[name as ContestName]()
  process.send?.(ratio, () => process.exit(0))
}
