import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { limit } from '@grammyjs/ratelimiter'
import { sequentialize } from '@grammyjs/runner'
import { Bot, type Context } from 'grammy'
import { sentinel } from 'grammy-sentinel'
import rateLimiterFlexible from 'rate-limiter-flexible'
import { type Finding, median, part, processorTime } from './compare.js'
import { ME, messageFrom } from './updates.js'

const PAIRS = part(20)
/**
 * V8 decides heuristically, anew in every run, whether to allocate objects of a site directly in the old generation. With this
 * on, any contender (even the bare bot) now and then takes a microsecond more, for garbage that is kept too long. With it off for
 * all contenders, runs agree within a few percent.
 */
const NODE_FLAGS = ['--no-allocation-site-pretenuring']
/** Feeds in a run, after one warm-up feed. */
const FEEDS = part(15, 3)
const UPDATES = 20_000
/** Enough users that none exhausts the default burst of 30 in the run, since refusals are not compared here. */
const USERS = 50_000

let updateId = 1

/** Feeds updates one after the other, as the polling loop does; ids increase, users take turns. */
async function feed(bot: Bot, tell?: (ns: number) => void): Promise<void> {
  for (let i = 0; i < UPDATES; i++) {
    // Yields to the event loop now and then, as a real bot does.
    if (i % 100 === 0) await new Promise(setImmediate)
    const id = 1_000_000 + (updateId % USERS) * 7
    const update = messageFrom(id, updateId++)
    if (tell === undefined) await bot.handleUpdate(update)
    else {
      const from = process.hrtime.bigint()
      await bot.handleUpdate(update)
      tell(Number(process.hrtime.bigint() - from))
    }
  }
}

function botWith(install: (bot: Bot) => void): Bot {
  const bot = new Bot('42:token', { botInfo: ME })
  install(bot)
  bot.use(() => undefined)
  return bot
}

/** A typical hand-written guard: block list, redelivery, token bucket and debounce, as four middlewares. */
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
    // Deleting the oldest entry of a large Set is slow in V8; clearing all of it is what simple code does.
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

/** grammY's own plugin, as in its documentation. */
function plugin(bot: Bot): void {
  bot.use(limit({ timeFrame: 60_000, limit: 1_000_000 }))
}

/** The runner's `sequentialize`: updates of one chat run one after the other, as with `concurrency` here. */
function inSequence(bot: Bot): void {
  bot.use(sequentialize((ctx) => ctx.chat?.id.toString()))
}

/** The contenders. `passing` is a middleware that does nothing, to show the cost of any middleware. */
const CONTENDERS = {
  bare: () => botWith(() => undefined),
  passing: () => botWith((bot) => bot.use((_, next) => next())),
  ours: () => botWith((bot) => bot.use(sentinel())),
  seated: () => botWith((bot) => bot.use(sentinel({ concurrency: { scope: 'chat' } }))),
  limiter: () => botWith(limiterAlone),
  plugin: () => botWith(plugin),
  inSequence: () => botWith(inSequence),
  byHand: () => botWith(byHand),
}
type Contender = keyof typeof CONTENDERS

const NAMES: Readonly<Record<Contender, string>> = {
  bare: 'grammY alone',
  passing: 'a middleware that does nothing',
  ours: 'sentinel()',
  seated: 'sentinel({ concurrency })',
  limiter: 'rate-limiter-flexible 11.4.0, memory',
  plugin: '@grammyjs/ratelimiter 1.2.1',
  inSequence: 'sequentialize of @grammyjs/runner 2.0.3',
  byHand: 'four middlewares by hand',
}

/** Measurements of single updates. */
interface Single {
  /** Percentiles of the duration in nanoseconds: 50, 99 and 99.9. */
  readonly p50: number
  readonly p99: number
  readonly p999: number
  /** Bytes allocated for an update, including the update itself. */
  readonly bytes: number
}

/** Times updates one by one; then measures the heap over a number of updates without a collection in between. */
async function single(name: Contender): Promise<Single> {
  const bot = CONTENDERS[name]()
  await feed(bot)
  await feed(bot)
  const taken: number[] = []
  await feed(bot, (ns) => taken.push(ns))
  taken.sort((a, b) => a - b)
  const at = (share: number): number => taken[Math.floor(taken.length * share)] as number
  const collect = globalThis.gc as () => void
  collect()
  const before = process.memoryUsage().heapUsed
  await feed(bot)
  const bytes = (process.memoryUsage().heapUsed - before) / UPDATES
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), bytes }
}

/** Measures a contender in its own process, so that garbage of others does not matter. Returns nanoseconds per update. */
async function contend(name: Contender): Promise<number> {
  const bot = CONTENDERS[name]()
  await feed(bot)
  // The fastest feed of a run counts, because noise only ever adds time.
  let quietest = Number.POSITIVE_INFINITY
  for (let i = 0; i < FEEDS; i++) quietest = Math.min(quietest, await processorTime(UPDATES, () => feed(bot)))
  return quietest
}

/** Makes the young generation large enough for all allocations of a feed. */
const ROOMY = ['--expose-gc', '--min-semi-space-size=256', '--max-semi-space-size=256']

function inProcess<T>(
  name: Contender,
  what: 'contend' | 'single',
  flags: readonly string[] = [],
): Promise<T> {
  return new Promise((done, fail) => {
    const child = fork(fileURLToPath(import.meta.url), [name, what], { execArgv: [...NODE_FLAGS, ...flags] })
    child.once('message', (found) => done(found as T))
    child.once('error', fail)
    child.once('exit', (code) => fail(new Error(`${name} ended with ${code} before it answered`)))
  })
}

if (process.send !== undefined && process.argv[2] !== undefined && process.argv[2] in CONTENDERS) {
  const name = process.argv[2] as Contender
  const found = await (process.argv[3] === 'single' ? single(name) : contend(name))
  process.send(found, () => process.exit(0))
}

/** Runs each contender three times and takes the median. */
async function singles(): Promise<Finding[]> {
  const findings: Finding[] = []
  const names = Object.keys(CONTENDERS) as Contender[]
  console.log('\n| one update | p50 | p99 | p99.9 | bytes |\n|---|---:|---:|---:|---:|')
  for (const name of names) {
    const found: Single[] = []
    for (let i = 0; i < part(3, 1); i++) found.push(await inProcess<Single>(name, 'single', ROOMY))
    const middle = (key: keyof Single): number => median(found.map((each) => each[key]))
    const [p50, p99, p999, bytes] = [middle('p50'), middle('p99'), middle('p999'), middle('bytes')]
    const who = NAMES[name]
    console.log(`| ${who} | ${p50} ns | ${p99} ns | ${p999} ns | ${bytes.toFixed(0)} B |`)
    findings.push({ what: `p50 of an update: ${who}`, measured: p50, unit: 'ns' })
    findings.push({ what: `p99 of an update: ${who}`, measured: p99, unit: 'ns' })
    findings.push({ what: `p99.9 of an update: ${who}`, measured: p999, unit: 'ns' })
    findings.push({
      what: `allocated for an update: ${who}`,
      measured: bytes,
      unit: 'B',
      plot: 'whole-path-bytes',
    })
  }
  return findings
}

/** What each contender adds to a bare update: pairs of runs, one process each, in another order each time. */
export async function wholePath(): Promise<Finding[]> {
  const names = Object.keys(CONTENDERS) as Contender[]
  const took = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Contender, number[]>
  for (let pair = 0; pair < PAIRS; pair++) {
    const order = names.map((_, i) => names[(i + pair) % names.length] as Contender)
    for (const name of order) took[name].push(await inProcess<number>(name, 'contend'))
  }
  const added = (name: Contender): number => median(took[name].map((ns, i) => ns - (took.bare[i] as number)))
  console.log(
    `bare grammY ${median(took.bare).toFixed(0)} ns an update; ${PAIRS} paired runs of ${FEEDS} x ${UPDATES}`,
  )
  for (const name of names.slice(1)) console.log(`  ${NAMES[name]} adds ${added(name).toFixed(0)} ns`)
  return [
    ...names.slice(1).map((name): Finding => {
      const what = `added to a bare update: ${NAMES[name]}`
      return { what, measured: added(name), unit: 'ns', plot: 'whole-path' }
    }),
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
    ...(await singles()),
  ]
}
