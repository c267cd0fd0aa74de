import { type ConversationFlavor, conversations, createConversation } from '@grammyjs/conversations'
import { Bot, type Context, type LazySessionFlavor, lazySession, type SessionFlavor, session } from 'grammy'
import { Pool } from 'pg'
import { SentinelError } from '../../src/core/errors.js'
import { sentinel } from '../../src/sentinel.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { memory } from '../../src/storage/memory/memory.js'
import { postgres } from '../../src/storage/postgres/index.js'
import { redis } from '../../src/storage/redis/index.js'
import { type Person, startTelegram, type Telegram, type TelegramBot } from '../../src/telegram/index.js'
import { later } from '../sentinel/desk.js'
import { freshName, sharedPostgres, sharedRedis } from '../servers/shared.js'
import { closing } from './closing.js'

interface Counter {
  pizzas: number
}

let now = 1_795_000_000_000
const clock = (): number => now
const pools: Pool[] = []
afterAll(() => Promise.all(pools.map((pool) => pool.end())))

const storages: [string, () => Promise<Storage>][] = [
  ['in memory', async () => memory({ clock })],
  ['that answers later', async () => later(memory({ clock }))],
  ['in Redis', async () => redis(await sharedRedis(), { prefix: freshName(), clock })],
  [
    'in Postgres',
    async () => {
      const pool = new Pool({ connectionString: await sharedPostgres(), max: 2 })
      pools.push(pool)
      const schema = freshName()
      const storage = postgres(pool, { schema, clock })
      return closing(storage, () => pool.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`))
    },
  ],
]

describe.each(storages)('sessions %s', (_, make) => {
  let telegram: Telegram
  let account: TelegramBot
  let alice: Person
  let storage: Storage
  const ends: (() => Promise<unknown>)[] = []

  beforeEach(async () => {
    storage = await make()
    telegram = await startTelegram()
    account = telegram.createBot({ username: 'pizza_bot' })
    alice = telegram.createUser({ firstName: 'Alice' })
  })
  afterEach(async () => {
    for (const end of ends.splice(0)) await end()
    await telegram.close()
    await storage.close()
  })

  function bot<C extends Context>(): Bot<C> {
    return new Bot<C>(account.token, { client: { apiRoot: telegram.apiRoot }, botInfo: account.info })
  }

  async function hears<C extends Context>(running: Bot<C>, ...texts: string[]): Promise<void> {
    if (ends.length === 0) {
      const done = running.start()
      ends.push(async () => {
        await running.stop()
        await done
      })
    }
    for (const text of texts) await alice.to(account).sends(text)
    await telegram.settled()
  }

  test('count the pizzas of a chat', async () => {
    const counting = bot<Context & SessionFlavor<Counter>>()
    const guard = sentinel({ storage })
    counting.use(guard, session({ initial: () => ({ pizzas: 0 }), storage: guard.storage.sessions() }))
    counting.on('message', (ctx) => {
      ctx.session.pizzas++
    })
    await hears(counting, 'one', 'two')
    const bob = telegram.createUser({ firstName: 'Bob' })
    await bob.to(account).sends('one')
    await telegram.settled()
    const sessions = storage.sessions<Counter>()
    expect(await sessions.read(String(alice.id))).toEqual({ pizzas: 2 })
    expect(await sessions.read(String(bob.id))).toEqual({ pizzas: 1 })
  })

  test('may be plain texts, too', async () => {
    const echoing = bot<Context & SessionFlavor<string>>()
    echoing.use(session({ initial: () => 'test', storage: storage.sessions<string>() }))
    const seen: string[] = []
    echoing.hears('first', (ctx) => {
      ctx.session = `${ctx.session} edited`
    })
    echoing.hears('second', (ctx) => {
      seen.push(ctx.session)
    })
    await hears(echoing, 'first', 'second')
    expect(seen).toEqual(['test edited'])
  })

  test('find data that was stored before', async () => {
    await storage.sessions<Counter>({ name: 'old' }).write(String(alice.id), { pizzas: 40 })
    const counting = bot<Context & SessionFlavor<Counter>>()
    counting.use(session({ initial: () => ({ pizzas: 0 }), storage: storage.sessions({ name: 'old' }) }))
    counting.on('message', (ctx) => {
      ctx.session.pizzas += 2
    })
    await hears(counting, 'one')
    expect(await storage.values.get('old', String(alice.id))).toEqual({ pizzas: 42 })
  })

  test('are deleted when a handler sets them to nothing', async () => {
    const forgetful = bot<Context & SessionFlavor<Counter>>()
    const sessions = storage.sessions<Counter>()
    forgetful.use(session({ initial: () => ({ pizzas: 1 }), storage: sessions }))
    const seen: number[] = []
    forgetful.on('message', (ctx) => {
      seen.push(ctx.session.pizzas)
      if (ctx.msg.text === 'forget') ctx.session = undefined
      else ctx.session.pizzas++
    })
    await hears(forgetful, 'one', 'two', 'forget')
    expect(await sessions.has(String(alice.id))).toBe(false)
    await hears(forgetful, 'three')
    expect(seen).toEqual([1, 2, 3, 1])
  })

  test('lapse if they are not written in time', async () => {
    const counting = bot<Context & SessionFlavor<Counter>>()
    counting.use(session({ initial: () => ({ pizzas: 0 }), storage: storage.sessions({ ttl: '1h' }) }))
    const seen: number[] = []
    counting.on('message', (ctx) => {
      seen.push(ctx.session.pizzas++)
    })
    await hears(counting, 'one')
    now += 3_599_999
    await hears(counting, 'two')
    now += 3_599_999
    await hears(counting, 'three')
    now += 3_600_000
    await hears(counting, 'four')
    expect(seen).toEqual([0, 1, 2, 0])
  })

  test('may be lazy', async () => {
    type Lazy = Context & LazySessionFlavor<Counter>
    const lazily = bot<Lazy>()
    lazily.use(lazySession({ initial: () => ({ pizzas: 0 }), storage: storage.sessions() }))
    lazily.hears('eat', async (ctx) => {
      const eaten = await ctx.session
      eaten.pizzas++
    })
    await hears(lazily, 'talk', 'eat')
    expect(await storage.sessions<Counter>().read(String(alice.id))).toEqual({ pizzas: 1 })
  })

  test('may have parts, each in its own space', async () => {
    type Parts = Context & SessionFlavor<{ food: Counter; name: string }>
    const parted = bot<Parts>()
    const food = storage.sessions<Counter>({ name: 'food' })
    const names = storage.sessions<string>({ name: 'names' })
    parted.use(
      session({
        type: 'multi',
        food: { initial: () => ({ pizzas: 0 }), storage: food },
        name: { initial: () => 'nobody', storage: names },
      }),
    )
    parted.on('message', (ctx) => {
      ctx.session.food.pizzas++
      ctx.session.name = ctx.msg.text ?? ''
    })
    await hears(parted, 'one', 'two')
    expect(await food.read(String(alice.id))).toEqual({ pizzas: 2 })
    expect(await names.read(String(alice.id))).toBe('two')
  })

  test('carry conversations', async () => {
    type Talking = ConversationFlavor<Context>
    const talking = bot<Talking>()
    talking.use(conversations({ storage: storage.sessions({ name: 'conversations' }) }))
    const heard: (string | undefined)[] = []
    talking.use(
      createConversation<Talking, Context>(async (conversation) => {
        const answer = await conversation.waitFor('message:text')
        heard.push(answer.msg.text)
      }, 'ask'),
    )
    talking.command('ask', (ctx) => ctx.conversation.enter('ask'))
    await hears(talking, '/ask')
    const held: string[] = []
    for await (const key of storage.sessions({ name: 'conversations' }).readAllKeys()) held.push(key)
    expect(held).toEqual([String(alice.id)])
    await hears(talking, 'an answer')
    expect(heard).toEqual(['an answer'])
  })
})

test('a ttl of zero is refused, and so is an invalid name', () => {
  const storage = memory()
  expect(() => storage.sessions({ ttl: 0 })).toThrow(SentinelError)
  expect(() => storage.sessions({ ttl: 0 })).toThrow(/sessions\.ttl: with 0, nothing would be kept/)
  expect(() => storage.sessions({ name: 'x'.repeat(65) })).toThrow(/is not a valid space/)
})
