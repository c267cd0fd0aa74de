import { Bot } from 'grammy'
import type { ChatMigratedEvent, OutgoingLimitedEvent } from '../../src/middleware/events.js'
import type { SentinelOptions } from '../../src/options/index.js'
import { type Sentinel, sentinel } from '../../src/sentinel.js'
import { redis } from '../../src/storage/redis/index.js'
import { type Person, startTelegram, type Telegram, type TelegramBot } from '../../src/telegram/index.js'
import { type GuardedContext, Stage } from '../middleware/rig.js'
import { says, tick } from '../sentinel/desk.js'
import { freshName, sharedRedis } from '../servers/shared.js'
import { until } from '../servers/until.js'
import { fate } from './rig.js'

let telegram: Telegram
let account: TelegramBot
let alice: Person
const time = new Stage()
const ends: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  telegram = await startTelegram({ clock: time.clock })
  account = telegram.createBot({ username: 'busy_bot' })
  alice = telegram.createUser({ firstName: 'Alice' })
  await alice.to(account).sends('/start')
})
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
  await telegram.close()
})

function guarded(options: SentinelOptions = {}): {
  guard: Sentinel<GuardedContext>
  bot: Bot<GuardedContext>
} {
  const guard = sentinel<GuardedContext>({ clock: time.clock, timers: time.timers, outgoing: {}, ...options })
  ends.push(() => guard.close())
  const bot = new Bot<GuardedContext>(account.token, {
    client: { apiRoot: telegram.apiRoot },
    botInfo: account.info,
  })
  return { guard, bot }
}

const waits = async (guard: Sentinel<GuardedContext>, count = 1): Promise<void> =>
  until(`${count} calls wait`, async () => (await guard.health()).outgoing?.waiting === count)

test('a call made by an earlier transformer does not wait for the message that waits for it', async () => {
  const { guard, bot } = guarded({ outgoing: { order: 'chat' } })
  bot.api.config.use(async (previous, method, payload, signal) => {
    if (method === 'sendMessage') {
      await bot.api.sendChatAction((payload as { chat_id: number }).chat_id, 'typing')
    }
    return previous(method, payload, signal)
  })
  guard.install(bot)
  expect(await fate(bot.api.sendMessage(alice.id, 'one'))).toBe('sent')
  expect(await fate(bot.api.sendMessage(alice.id, 'two'))).toBe('sent')
  expect(telegram.calls('sendMessage')).toHaveLength(2)
  expect(telegram.calls('sendChatAction')).toHaveLength(2)
})

test('install(bot) waits out floods, and informs listeners and health', async () => {
  const { guard, bot } = guarded()
  const told: OutgoingLimitedEvent[] = []
  guard.on('outgoing.limited', (event) => told.push(event))
  guard.install(bot)
  bot.on('message', (ctx) => ctx.reply('hello'))
  telegram.faults.next('sendMessage', { code: 429, retryAfter: 3 })
  const done = bot.start()
  ends.push(async () => {
    await bot.stop()
    await done
  })
  await waits(guard)
  // Up to a quarter of a second more than Telegram asked for.
  time.advance(3250)
  await alice.hears('hello')
  expect(told).toEqual([
    {
      bot: account.id,
      method: 'sendMessage',
      chat: alice.id,
      retryAfterMs: 3000,
      attempt: 1,
      retried: true,
    },
  ])
  expect((await guard.health()).outgoing).toMatchObject({ limited: 1, retried: 1, gaveUp: 0 })
})

test('is off by default; guard.outgoing(bot) turns it on for a bot without install', async () => {
  const { guard, bot } = guarded({ outgoing: false })
  guard.install(bot)
  telegram.faults.next('sendMessage', { code: 429, retryAfter: 3 })
  expect(await fate(bot.api.sendMessage(alice.id, 'x'))).toBe(429)
  expect((await guard.health()).outgoing).toBeUndefined()
  const calls = guard.outgoing(bot, { attempts: 2 })
  expect(guard.outgoing(bot)).toBe(calls)
  telegram.faults.next('sendMessage', { code: 429, retryAfter: 3 })
  const call = fate(bot.api.sendMessage(alice.id, 'x'))
  await waits(guard)
  time.advance(3250)
  expect(await call).toBe('sent')
})

test('close() ends waiting calls: callers get their error, and nothing keeps the process alive', async () => {
  const { guard, bot } = guarded()
  guard.install(bot)
  telegram.faults.next('sendMessage', { code: 429, retryAfter: 30 })
  const call = fate(bot.api.sendMessage(alice.id, 'x'))
  await waits(guard)
  await guard.close()
  expect(await call).toBe(429)
})

test.each([
  ['the present options', false],
  ['options that were replaced', true],
])('close() lets the handlers of held bursts make their calls: bursts held by %s', async (_, replaced) => {
  const { guard, bot } = guarded({ debounce: { mode: 'trailing', window: '5s' } })
  guard.install(bot)
  const fates: unknown[] = []
  bot.on('message', async (ctx) => void fates.push(await fate(ctx.reply('ok'))))
  await bot.handleUpdate(says(alice.id, 'hello'))
  telegram.faults.next('sendMessage', { code: 429, retryAfter: 3 })
  if (replaced) {
    guard.reconfigure({ debounce: false })
    await waits(guard)
  }
  const closed = guard.close()
  await waits(guard)
  await tick()
  expect(fates).toEqual([])
  time.advance(3250)
  await closed
  expect(fates).toEqual(['sent'])
})

test('hooks are called for chats that have got another id', async () => {
  const { guard, bot } = guarded()
  const told: ChatMigratedEvent[] = []
  guard.hook('chat.migrated', (event) => void told.push(event))
  const group = telegram.createGroup({ title: 'Grows', owner: alice, members: [account], basic: true })
  const { id } = await alice.in(group).upgrades()
  guard.install(bot)
  expect(await fate(bot.api.sendMessage(group.id, 'x'))).toBe(400)
  expect(told).toEqual([{ bot: account.id, method: 'sendMessage', from: group.id, to: id }])
})

test('two sentinels on one Redis inform each other, through everything in front of it', async () => {
  const url = await sharedRedis()
  const prefix = freshName()
  const worker = () => {
    const storage = redis(url, { prefix, clock: time.clock })
    ends.push(async () => storage.close())
    const { guard, bot } = guarded({ storage })
    guard.install(bot)
    return { guard, bot }
  }
  const [one, two] = [worker(), worker()]
  for (const { bot } of [one, two]) await bot.api.sendMessage(alice.id, 'hello')
  telegram.faults.next('sendMessage', { code: 429, retryAfter: 5 })
  const sent = [fate(one.bot.api.sendMessage(alice.id, '1'))]
  await until('the other has heard', async () => ((await two.guard.health()).outgoing?.heard ?? 0) > 0)
  const before = telegram.calls('sendMessage').length
  sent.push(fate(two.bot.api.sendMessage(alice.id, '2')))
  await waits(two.guard)
  expect(telegram.calls('sendMessage')).toHaveLength(before)
  time.advance(5600)
  expect(await Promise.all(sent)).toEqual(['sent', 'sent'])
})

describe('reconfigure()', () => {
  /** The number of attempts for a call that is always limited. */
  async function madeOf(bot: Bot<GuardedContext>, guard: Sentinel<GuardedContext>): Promise<number> {
    telegram.faults.next('sendMessage', { code: 429, retryAfter: 1, times: Number.POSITIVE_INFINITY })
    const before = telegram.calls('sendMessage').length
    let ended = false
    const call = fate(bot.api.sendMessage(alice.id, 'x')).finally(() => {
      ended = true
    })
    await until('the call was given up', async () => {
      if ((await guard.health()).outgoing?.waiting === 1) time.advance(1250)
      return ended
    })
    expect(await call).toBe(429)
    telegram.faults.clear()
    time.advance(10_000)
    return telegram.calls('sendMessage').length - before
  }

  test('changes, removes and restores the options of bots that it is installed on', async () => {
    const { guard, bot } = guarded({ outgoing: { attempts: 2 } })
    guard.install(bot)
    expect(await madeOf(bot, guard)).toBe(2)
    guard.reconfigure({ throttle: '5/1m' })
    expect(await madeOf(bot, guard)).toBe(2)
    guard.reconfigure({ outgoing: { attempts: 3 } })
    expect(await madeOf(bot, guard)).toBe(3)
    guard.reconfigure({ outgoing: { ignore: ['sendMessage'] } })
    expect(await madeOf(bot, guard)).toBe(1)
    guard.reconfigure({ outgoing: false })
    guard.reconfigure({ outgoing: { attempts: 4 } })
    expect(await madeOf(bot, guard)).toBe(4)
    guard.reconfigure({ outgoing: false })
    expect(await madeOf(bot, guard)).toBe(1)
    // Options passed to outgoing() win over later ones of the sentinel.
    guard.outgoing(bot, { attempts: 2 })
    guard.reconfigure({ outgoing: { attempts: 5 } })
    expect(await madeOf(bot, guard)).toBe(2)
  })

  test('turns it on if it was off, and calls functions that are passed then', async () => {
    const told: number[] = []
    const { guard, bot } = guarded({ outgoing: false })
    guard.install(bot)
    expect(await madeOf(bot, guard)).toBe(1)
    guard.reconfigure({ outgoing: { attempts: 2 } })
    guard.reconfigure({ outgoing: { onLimited: ({ attempt }) => told.push(attempt) } })
    expect(await madeOf(bot, guard)).toBe(2)
    expect(told).toEqual([1, 2])
  })

  test('reports rejections of its async functions', async () => {
    const { guard, bot } = guarded({
      outgoing: {
        attempts: 1,
        onLimited: async () => Promise.reject(new Error('the admin chat is limited, too')),
      },
    })
    const told: string[] = []
    guard.on('error', ({ during }) => told.push(during))
    guard.install(bot)
    expect(await madeOf(bot, guard)).toBe(1)
    expect(told).toEqual(['outgoing.onLimited'])
  })

  test('lets waiting calls finish', async () => {
    const { guard, bot } = guarded()
    guard.install(bot)
    telegram.faults.next('sendMessage', { code: 429, retryAfter: 3 })
    const call = fate(bot.api.sendMessage(alice.id, 'x'))
    await waits(guard)
    guard.reconfigure({ outgoing: false })
    time.advance(3250)
    expect(await call).toBe('sent')
  })
})

test('its options are checked with all others', () => {
  expect(() => sentinel({ outgoing: { maxWiat: '1s' } as never })).toThrow('Did you mean "maxWait"')
})
