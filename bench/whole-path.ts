import { Bot, type Context } from 'grammy'
import type { Update, UserFromGetMe } from 'grammy/types'
import { sentinel } from 'grammy-sentinel'
import rateLimiterFlexible from 'rate-limiter-flexible'
import { type Finding, median, nanoseconds } from './compare.js'

const ROUNDS = 24
const UPDATES = 20_000
const USERS = 5_000

const me = {
  id: 42,
  is_bot: true,
  first_name: 'bench',
  username: 'bench_bot',
  can_join_groups: true,
  can_read_all_group_messages: false,
  supports_inline_queries: false,
} as UserFromGetMe

let updateId = 1

/** One update after the other, as the polling loop does; ids rise, users come in turn. */
async function feed(bot: Bot): Promise<void> {
  for (let i = 0; i < UPDATES; i++) {
    const id = 1_000_000 + (i % USERS) * 7
    const update: Update = {
      update_id: updateId++,
      message: {
        message_id: i,
        date: 1_700_000_000,
        text: 'hello there',
        chat: { id, type: 'private', first_name: 'A' },
        from: { id, is_bot: false, first_name: 'A' },
      },
    }
    await bot.handleUpdate(update)
  }
}

function botWith(install: (bot: Bot) => void): Bot {
  const bot = new Bot('42:token', { botInfo: me })
  install(bot)
  bot.use(() => undefined)
  return bot
}

/** What developers write by hand: a block list, redelivery, a token bucket, a debounce; four middlewares. */
function byHand(bot: Bot): void {
  const blocked = new Set<number>([1, 2, 3])
  bot.use(async (ctx, next) => {
    if (ctx.from !== undefined && blocked.has(ctx.from.id)) return
    await next()
  })
  const seen = new Set<number>()
  bot.use(async (ctx, next) => {
    if (seen.has(ctx.update.update_id)) return
    seen.add(ctx.update.update_id)
    if (seen.size > 10_000) seen.delete(seen.values().next().value as number)
    await next()
  })
  const buckets = new Map<number, { tokens: number; at: number }>()
  bot.use(async (ctx, next) => {
    const id = ctx.from?.id
    if (id === undefined) return next()
    const now = Date.now()
    const bucket = buckets.get(id) ?? { tokens: 30, at: now }
    bucket.tokens = Math.min(30, bucket.tokens + (now - bucket.at) / 1000)
    bucket.at = now
    buckets.set(id, bucket)
    if (bucket.tokens < 1) return
    bucket.tokens -= 1
    await next()
  })
  const taps = new Map<string, number>()
  bot.use(async (ctx: Context, next) => {
    const data = ctx.callbackQuery?.data
    if (data !== undefined) {
      const key = `${ctx.from?.id} ${ctx.msg?.message_id} ${data}`
      const last = taps.get(key) ?? 0
      taps.set(key, Date.now())
      if (Date.now() - last < 500) return
    }
    await next()
  })
}

function limiterAlone(bot: Bot): void {
  const limiter = new rateLimiterFlexible.RateLimiterMemory({ points: 1_000_000, duration: 60 })
  bot.use(async (ctx, next) => {
    if (ctx.from === undefined) return next()
    try {
      await limiter.consume(ctx.from.id)
    } catch {
      return
    }
    await next()
  })
}

/** What each adds to a bare update, in rounds that interleave all of them. */
export async function wholePath(): Promise<Finding[]> {
  // As the defaults, but with a burst that this flood does not exhaust: refusals are not what is compared here.
  const guard = sentinel({ throttle: { limit: { amount: 60_000, per: '1m', burst: 90_000 } } })
  const bots = {
    bare: botWith(() => undefined),
    ours: botWith((bot) => bot.use(guard)),
    limiter: botWith(limiterAlone),
    byHand: botWith(byHand),
  }
  const took: Record<keyof typeof bots, number[]> = { bare: [], ours: [], limiter: [], byHand: [] }
  const names = Object.keys(bots) as (keyof typeof bots)[]
  for (const name of names) await feed(bots[name])
  for (let round = 0; round < ROUNDS; round++) {
    // Another order each round, so that nobody always runs after the same neighbour.
    const order = names.map((_, i) => names[(i + round) % names.length] as keyof typeof bots)
    for (const name of order) took[name].push(await nanoseconds(UPDATES, () => feed(bots[name])))
  }
  const added = (name: keyof typeof bots): number[] =>
    took[name].map((ns, round) => ns - (took.bare[round] as number))
  const ratio = (rival: keyof typeof bots): number => median(added('ours')) / median(added(rival))
  console.log(
    `bare grammY ${median(took.bare).toFixed(0)} ns an update; ${ROUNDS} paired rounds of ${UPDATES}`,
  )
  for (const name of names.slice(1)) console.log(`  ${name} adds ${median(added(name)).toFixed(0)} ns`)
  await guard.close()
  return [
    {
      what: 'full default chain / rate-limiter-flexible 11.4.0 memory alone (added to a bare update)',
      measured: ratio('limiter'),
      unit: 'x',
      most: 0.5,
    },
    {
      what: 'full default chain / four middlewares by hand (added to a bare update)',
      measured: ratio('byHand'),
      unit: 'x',
      most: 0.25,
    },
  ]
}
