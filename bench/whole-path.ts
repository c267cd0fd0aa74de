import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Bot, type Context } from 'grammy'
import type { Update, UserFromGetMe } from 'grammy/types'
import { sentinel } from 'grammy-sentinel'
import rateLimiterFlexible from 'rate-limiter-flexible'
import { type Finding, median, processorTime } from './compare.js'

const PAIRS = 20
/**
 * V8 tenures whole allocation sites on a guess, and guesses anew in every run: with it on, any contender (the bare bot
 * too) now and then takes a microsecond more for garbage that is kept too long. Off for all, runs agree within a
 * few percent.
 */
const NODE_FLAGS = ['--no-allocation-site-pretenuring']
/** Feeds in a run, after one that warms up. */
const FEEDS = 15
const UPDATES = 20_000
/** So many that nobody uses up the default burst of 30 within the run: refusals are not what is compared. */
const USERS = 50_000

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
    // A bot lives in an event loop: between updates there is air.
    if (i % 100 === 0) await new Promise(setImmediate)
    const id = 1_000_000 + (updateId % USERS) * 7
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
    // Deleting the oldest of a large Set one by one is slow in V8; starting afresh is what a hurried hand writes.
    if (seen.size > 10_000) seen.clear()
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

/** `passing` is a middleware that does nothing: what any middleware costs, for whoever wants to tell it apart. */
const CONTENDERS = {
  bare: () => botWith(() => undefined),
  passing: () => botWith((bot) => bot.use((_, next) => next())),
  ours: () => botWith((bot) => bot.use(sentinel())),
  limiter: () => botWith(limiterAlone),
  byHand: () => botWith(byHand),
}
type Contender = keyof typeof CONTENDERS

/** In a process of its own: nobody pays for a neighbour's garbage. Answers with nanoseconds an update. */
async function contend(name: Contender): Promise<number> {
  const bot = CONTENDERS[name]()
  await feed(bot)
  // The quietest feed of a run: what a neighbour on the machine adds is never less than nothing.
  let quietest = Number.POSITIVE_INFINITY
  for (let i = 0; i < FEEDS; i++) quietest = Math.min(quietest, await processorTime(UPDATES, () => feed(bot)))
  return quietest
}

function inProcess(name: Contender): Promise<number> {
  return new Promise((done, fail) => {
    const child = fork(fileURLToPath(import.meta.url), [name], { execArgv: NODE_FLAGS })
    child.once('message', (took) => done(took as number))
    child.once('error', fail)
    child.once('exit', (code) => fail(new Error(`${name} ended with ${code} before it answered`)))
  })
}

if (process.send !== undefined && process.argv[2] !== undefined && process.argv[2] in CONTENDERS) {
  const took = await contend(process.argv[2] as Contender)
  process.send(took, () => process.exit(0))
}

/** What each adds to a bare update: pairs of runs, one process each, in another order each time. */
export async function wholePath(): Promise<Finding[]> {
  const took: Record<Contender, number[]> = {
    bare: [],
    passing: [],
    ours: [],
    limiter: [],
    byHand: [],
  }
  const names = Object.keys(CONTENDERS) as Contender[]
  for (let pair = 0; pair < PAIRS; pair++) {
    const order = names.map((_, i) => names[(i + pair) % names.length] as Contender)
    for (const name of order) took[name].push(await inProcess(name))
  }
  const added = (name: Contender): number => median(took[name].map((ns, i) => ns - (took.bare[i] as number)))
  console.log(
    `bare grammY ${median(took.bare).toFixed(0)} ns an update; ${PAIRS} paired runs of ${FEEDS} x ${UPDATES}`,
  )
  for (const name of names.slice(1)) console.log(`  ${name} adds ${added(name).toFixed(0)} ns`)
  return [
    {
      what: 'full default chain / rate-limiter-flexible 11.4.0 memory alone (added to a bare update)',
      measured: added('ours') / added('limiter'),
      unit: 'x',
      most: 0.5,
    },
    {
      what: 'full default chain / four middlewares by hand (added to a bare update)',
      measured: added('ours') / added('byHand'),
      unit: 'x',
      most: 0.25,
    },
  ]
}
