import { Bot, type Context } from 'grammy'
import { memory, sentinel, throttle } from 'grammy-sentinel'
import rateLimiterFlexible from 'rate-limiter-flexible'
import { type Finding, median, part, processorTime, run } from './compare.js'
import { ME, messageFrom } from './updates.js'

/*
 * Compares a decorator on a handler, with the memory storage, to `consume` of rate-limiter-flexible's memory limiter. Rounds are paired in
 * one run, since machines are noisy. Exits with 1 if the decorator costs more.
 */

const ROUNDS = part(20)
const CALLS = 50_000
const USERS = 1000

let handled = 0

type Limiter = InstanceType<typeof rateLimiterFlexible.RateLimiterMemory>

class Shop {
  /** A limit that is never reached in this run. */
  @throttle({ limit: { amount: 100_000, per: '1d', burst: 100_000 } })
  async buy(_ctx: Context): Promise<void> {
    handled++
  }

  /** The same, written by hand with the rival. */
  async consume(limiter: Limiter, id: string): Promise<void> {
    await limiter.consume(id)
    handled++
  }

  async plain(_ctx: Context): Promise<void> {
    handled++
  }
}

/** Contexts of plain private messages; if `guarded`, in the state in which a sentinel passes them on. */
async function contexts(guarded: boolean): Promise<Context[]> {
  const bot = new Bot('42:token', { botInfo: ME })
  const seen: Context[] = []
  if (guarded) bot.use(sentinel({ storage: memory(), throttle: '90000/1m' }))
  bot.use((ctx) => {
    seen.push(ctx)
  })
  for (let i = 0; i < USERS; i++) await bot.handleUpdate(messageFrom(100_000_000 + i * 7, i + 1))
  return seen
}

type Times = readonly [decorated: number, consumed: number, plain: number]

/** Runs all contenders in turn, in rounds, and returns nanoseconds per call. The first round is a warm-up. */
async function rounds(...works: readonly (() => Promise<void>)[]): Promise<Times[]> {
  const all: Times[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    const times = [0, 0, 0]
    for (let nth = 0; nth < works.length; nth++) {
      const turn = (nth + round) % works.length
      times[turn] = await processorTime(CALLS, works[turn] as () => Promise<void>)
    }
    if (round > 0) all.push(times as unknown as Times)
  }
  return all
}

const findings: Finding[] = []
for (const guarded of [false, true]) {
  const shop = new Shop()
  const all: (Context & { sentinel?: unknown })[] = await contexts(guarded)
  // State that the guard leaves on a context in one round must not be found by the next.
  const before = all.map((ctx) => ctx.sentinel)
  const limiter = new rateLimiterFlexible.RateLimiterMemory({ points: 1_000_000, duration: 86_400 })
  const ids = all.map((ctx) => String(ctx.from?.id))
  const calls = (work: (ctx: Context, nth: number) => Promise<unknown>) => async (): Promise<void> => {
    for (let i = 0; i < CALLS; i++) {
      const nth = i % USERS
      const ctx = all[nth] as Context & { sentinel?: unknown }
      ctx.sentinel = before[nth]
      await work(ctx, nth)
    }
  }
  const times = await rounds(
    calls((ctx) => shop.buy(ctx)),
    calls((_ctx, nth) => shop.consume(limiter, ids[nth] as string)),
    calls((ctx) => shop.plain(ctx)),
  )
  // Subtracts the cost of an unguarded handler from both.
  const ours = times.map(([decorated, , plain]) => decorated - plain)
  const rival = times.map(([, consumed, plain]) => consumed - plain)
  const where = guarded ? 'behind a sentinel' : 'alone'
  console.log(`${where}: the decorator ${median(ours).toFixed(0)} ns, consume ${median(rival).toFixed(0)} ns`)
  findings.push({
    what: `decorator / consume, ${where}`,
    measured: median(ours.map((each, round) => each / (rival[round] as number))),
    unit: 'x',
    most: 1,
  })
  for (const id of ids) await limiter.delete(id)
}
if (handled === 0) throw new Error('nothing was handled')
process.exit(run(findings) ? 1 : 0)
