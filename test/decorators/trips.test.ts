import { Bot, type Context, type NextFunction } from 'grammy'
import { Redis } from 'ioredis'
import {
  debounce,
  definePolicy,
  fuse,
  policy,
  requireRegistered,
  requireRole,
  resilient,
  type Storage,
  throttle,
} from '../../src/index.js'
import { redis } from '../../src/storage/redis/index.js'
import type { GuardedContext } from '../middleware/rig.js'
import { type Desk, desk, says } from '../sentinel/desk.js'
import { type RedisServer, startRedis } from '../servers/redis.js'
import { freshName } from '../servers/shared.js'
import { until } from '../servers/until.js'
import { calls } from '../storage/redis/desk.js'

let server: RedisServer
let admin: Redis
beforeAll(async () => {
  server = await startRedis()
  admin = new Redis(server.url)
})
afterAll(async () => {
  admin.disconnect()
  await server.stop()
})

/** A time-out so long that a slow machine does not cause a second attempt. */
function unhurried(): Storage {
  return resilient(redis(server.url, { prefix: freshName() }), { timeout: '30s' })
}

/** Waits for background reads, such as those of marks for outages, to end; then returns the calls so far. */
async function atRest(storage: Storage): ReturnType<typeof calls> {
  await until('the marks for outages are read', async () => {
    return (await storage.health()).circuit?.copy?.complete === true
  })
  for (let last = await calls(admin); ; ) {
    await new Promise((go) => setTimeout(go, 20))
    const now = await calls(admin)
    if (now.evalsha === last.evalsha) return now
    last = now
  }
}

const ALICE = 7
const BOB = 8

test('an update takes two round trips at most: one for the sentinel, and one for all guards of its handler', async () => {
  const storage = unhurried()
  const handled: string[] = []
  class Shop {
    @requireRegistered()
    @requireRole('customer')
    @throttle('1000/1m')
    @policy(definePolicy('careful', { throttle: { name: 'careful', limit: '2000/1m' }, roles: ['customer'] }))
    @debounce('1ms')
    async buy(ctx: Context): Promise<void> {
      handled.push(ctx.msg?.text ?? '')
    }
  }
  const shop = new Shop()
  const stand = desk({ storage, clock: undefined, timers: undefined }, (bot) => {
    bot.command('buy', (ctx) => shop.buy(ctx))
    bot.command('plain', (ctx: Context, _next: NextFunction) => {
      handled.push(ctx.msg?.text ?? '')
    })
  })
  await stand.guard.register(ALICE)
  await stand.guard.grant(ALICE, 'customer')
  // A first call each, so that the server has loaded the scripts.
  await stand.says(ALICE, '/buy nothing', '/plain')
  const before = await atRest(storage)
  await stand.says(ALICE, '/plain')
  const plain = await calls(admin)
  await stand.says(ALICE, '/buy tea')
  const guarded = await calls(admin)
  expect(handled).toEqual(['/buy nothing', '/plain', '/plain', '/buy tea'])
  expect([plain.evalsha - before.evalsha, guarded.evalsha - plain.evalsha]).toEqual([1, 2])
  expect(guarded.eval).toBe(before.eval)
  // Two scripts, and nothing else except for the calls that read these figures.
  expect(guarded.all - plain.all).toBeLessThanOrEqual(2 + 2 * 8)
  await stand.guard.close()
  await storage.close()
})

test.each<[string, (stand: Desk) => Bot<GuardedContext>]>([
  ['the sentinel is installed on', ({ guard, bot }) => installed(guard, bot)],
  ['was passed to fuse()', ({ bot }) => fuse(bot)],
])('the same holds for guards side by side in front of a handler, for a bot that %s', async (_, made) => {
  const storage = unhurried()
  const handled: string[] = []
  const stand = desk({ storage, clock: undefined, timers: undefined })
  const bot = made(stand)
  bot.command('buy', requireRegistered({ deny: 'silent' }), throttle('1000/1m'), debounce('1ms'), (ctx) => {
    handled.push(ctx.match)
  })
  await stand.guard.register(ALICE)
  await bot.handleUpdate(says(ALICE, '/buy nothing'))
  await bot.handleUpdate(says(BOB, '/buy nothing'))
  const before = await atRest(storage)
  await bot.handleUpdate(says(ALICE, '/buy tea'))
  const bought = await calls(admin)
  await bot.handleUpdate(says(BOB, '/buy tea'))
  const refused = await calls(admin)
  expect(handled).toEqual(['nothing', 'tea'])
  expect([bought.evalsha - before.evalsha, refused.evalsha - bought.evalsha]).toEqual([2, 2])
  await stand.guard.close()
  await storage.close()
})

/** Creates the same bot again, with the sentinel added by `install()`. */
function installed(
  guard: Desk['guard'],
  { token, botInfo, api: { options } }: Bot<GuardedContext>,
): Bot<GuardedContext> {
  const bot = new Bot<GuardedContext>(token, { botInfo, ...(options && { client: options }) })
  guard.install(bot)
  return bot
}

test('a refusal by the sentinel takes one round trip, and a refusal by a handler takes two', async () => {
  const storage = unhurried()
  const stand = desk({ storage, clock: undefined, timers: undefined }, (bot) => {
    bot.command('buy', throttle('1/1h')(requireRegistered()(() => undefined)))
  })
  await stand.guard.block(BOB)
  await stand.says(ALICE, '/buy')
  await stand.says(BOB, '/buy')
  const before = await atRest(storage)
  await stand.says(ALICE, '/buy')
  const refused = await calls(admin)
  await stand.says(BOB, '/buy')
  const blocked = await calls(admin)
  expect([refused.evalsha - before.evalsha, blocked.evalsha - refused.evalsha]).toEqual([2, 1])
  await stand.guard.close()
  await storage.close()
})
