import { conversations, createConversation } from '@grammyjs/conversations'
import { type RunnerHandle, run, sequentialize } from '@grammyjs/runner'
import { type BotError, type Context, type Middleware, session, webhookCallback } from 'grammy'
import type { Update } from 'grammy/types'
import { type SentinelOptions, throttle } from '../../src/index.js'
import { memory } from '../../src/storage/memory/memory.js'
import { later, says, tick } from '../sentinel/desk.js'
import {
  account,
  alice,
  bot,
  ends,
  guarded,
  type Order,
  polling,
  sends,
  telegram,
  time,
  useBot,
} from './desk.js'

useBot()

function concurrently(): RunnerHandle {
  const runner = run(bot)
  ends.push(() => (runner.isRunning() ? runner.stop() : Promise.resolve()))
  return runner
}

/** A promise that is resolved by `open()`. */
function gate(): { readonly open: () => void; readonly opened: Promise<void> } {
  let open = (): void => undefined
  const opened = new Promise<void>((done) => {
    open = done
  })
  return { open, opened }
}

/** Sessions, and how often they were read. */
function counted() {
  const held = new Map<string, { seen: number }>()
  const asked = { reads: 0, writes: 0 }
  const storage = {
    read: (key: string) => {
      asked.reads++
      return held.get(key)
    },
    write: (key: string, value: { seen: number }) => {
      asked.writes++
      held.set(key, { ...value })
    },
    delete: (key: string) => {
      held.delete(key)
    },
  }
  return {
    asked,
    held,
    middleware: session<{ seen: number }, Order>({ initial: () => ({ seen: 0 }), storage }),
  }
}

describe('before session()', () => {
  test('a refused update loads and saves no session', async () => {
    const { asked, held, middleware } = counted()
    bot.use(guarded({ throttle: { limit: '2/1m', deny: 'silent' } }), middleware, (ctx) => {
      ctx.session.seen++
    })
    polling()
    await sends('1', '2', 'over', 'over', 'over')
    expect(asked).toEqual({ reads: 2, writes: 2 })
    expect([...held.values()]).toEqual([{ seen: 2 }])
  })

  test('a held burst loads its session when it is handled, and saves changes', async () => {
    const { asked, held, middleware } = counted()
    const guard = guarded({ debounce: { mode: 'trailing', window: '1s' } })
    const handled: (string | undefined)[][] = []
    bot.use(guard, middleware, (ctx) => {
      ctx.session.seen += ctx.sentinel.burst?.length ?? 0
      handled.push(ctx.sentinel.burst?.map(({ msg }) => msg?.text) ?? [])
    })
    polling()
    await sends('one', 'two', 'three')
    expect(asked).toEqual({ reads: 0, writes: 0 })
    time.advance(1000)
    await guard.close()
    expect(handled).toEqual([['one', 'two', 'three']])
    expect(asked).toEqual({ reads: 1, writes: 1 })
    expect([...held.values()]).toEqual([{ seen: 3 }])
  })
})

test('a plugin before the guard that records members sees updates that the guard refuses', async () => {
  const recorded = { before: '', after: '' }
  const recording =
    (where: keyof typeof recorded): Middleware<Order> =>
    (ctx, next) => {
      recorded[where] = ctx.chatMember?.new_chat_member.status ?? recorded[where]
      return next()
    }
  bot.use(recording('before'))
  const guard = guarded().install(bot)
  bot.use(recording('after'))
  polling()
  await sends('the first call of getUpdates asks for chat_member')
  const bob = telegram.createUser({ firstName: 'Bob' })
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account] })
  await bob.in(plaza).joins()
  await telegram.settled()
  await guard.block(bob.id)
  await bob.in(plaza).leaves()
  await telegram.settled()
  expect(recorded).toEqual({ before: 'left', after: 'member' })
})

describe('before conversations()', () => {
  const heard: (string | undefined)[] = []
  beforeEach(() => heard.splice(0))

  function interview(options: SentinelOptions, plugins: Middleware<Context>[] = []) {
    const guard = guarded(options)
    bot.use(guard, conversations({ plugins }))
    bot.use(
      createConversation<Order, Context>(async (conversation) => {
        for (let question = 0; question < 2; question++) {
          const answer = await conversation.waitFor('message:text')
          heard.push(answer.message.text)
        }
        heard.push('done')
      }, 'interview'),
    )
    bot.command('interview', (ctx) => ctx.conversation.enter('interview'))
    return guard
  }

  test('a refused update does not advance a conversation', async () => {
    interview({ throttle: { limit: '2/1m', deny: 'silent' } })
    polling()
    await sends('/interview', 'Alice', 'refused', 'refused as well')
    expect(heard.at(-1)).toBe('Alice')
    time.advance(30_000)
    await sends('of Wonderland')
    // A conversation replays its earlier code with each message.
    expect(heard).toEqual(['Alice', 'Alice', 'of Wonderland', 'done'])
  })

  test('a guard inside a conversation runs again at every replay: it does not belong there', async () => {
    let asked = 0
    const cost = (): number => {
      asked++
      return 1
    }
    interview({}, [throttle({ limit: '60/1m', name: 'inside', cost })])
    polling()
    await sends('/interview', 'Alice', 'of Wonderland')
    expect(heard.at(-1)).toBe('done')
    expect(asked).toBe(6)
  })

  test('a burst is one answer: the last message, with the others available by external()', async () => {
    const bursts: string[][] = []
    const guard = guarded({ debounce: { mode: 'trailing', window: '1s' } })
    bot.use(guard, conversations())
    bot.use(
      createConversation<Order, Context>(async (conversation) => {
        const answer = await conversation.waitFor('message:text')
        // Contexts inside a conversation are created anew: ctx.sentinel exists only on the outer ones.
        const all = await conversation.external(
          (ctx) => ctx.sentinel.burst?.map(({ msg }) => msg?.text ?? '') ?? [],
        )
        bursts.push([answer.message.text, ...all])
      }, 'story'),
    )
    bot.command('story', (ctx) => ctx.conversation.enter('story'))
    polling()
    await sends('/story', 'once', 'upon', 'a time')
    expect(bursts).toEqual([])
    time.advance(1000)
    await guard.close()
    expect(bursts).toEqual([['a time', 'once', 'upon', 'a time']])
  })
})

describe('under the runner', () => {
  test.each([
    ['at once', (): SentinelOptions => ({})],
    ['later', (): SentinelOptions => ({ storage: later(memory({ clock: time.clock })) })],
  ])('exactly the limit of many updates of one user passes; the storage answers %s', async (_, storage) => {
    const { open, opened } = gate()
    const reached: string[] = []
    const guard = guarded({ ...storage(), throttle: { limit: '5/1m', deny: 'silent' } })
    bot.use(guard, async (ctx) => {
      reached.push(ctx.msg?.text ?? '')
      await opened
    })
    const runner = concurrently()
    for (let n = 1; n <= 30; n++) await alice.to(account).sends(String(n))
    await telegram.settled()
    await tick()
    expect(reached).toHaveLength(5)
    expect(runner.size()).toBe(5)
    open()
    expect((await guard.health()).tally).toMatchObject({ allowed: 5, denied: 25 })
  })

  test.each([
    ['at once', (): SentinelOptions => ({})],
    ['later', (): SentinelOptions => ({ storage: later(memory({ clock: time.clock })) })],
  ])(
    'an update that arrives twice at the same time is handled once; the storage answers %s',
    async (_, storage) => {
      const { open, opened } = gate()
      const reached: number[] = []
      bot.use(guarded(storage()), async (ctx) => {
        reached.push(ctx.update.update_id)
        await opened
      })
      const twice = [500, 500, 501, 500, 501].map((id) => bot.handleUpdate(says(alice.id, 'hello', { id })))
      await tick()
      open()
      await Promise.all(twice)
      expect(reached).toEqual([500, 501])
    },
  )

  test('sequentialize() comes after the guard: refusals do not wait, and admitted updates run in order', async () => {
    const { open, opened } = gate()
    const handled: string[] = []
    const refused: (string | undefined)[] = []
    const guard = guarded({ throttle: { limit: '3/1m', deny: 'silent' } })
    guard.on('denied', ({ ctx }) => refused.push(ctx.msg?.text))
    bot.use(
      guard,
      sequentialize((ctx) => ctx.from?.id.toString()),
      async (ctx) => {
        if (ctx.msg?.text === '1') await opened
        handled.push(ctx.msg?.text ?? '')
      },
    )
    const runner = concurrently()
    await sends('1', '2', '3', '4', '5')
    await tick()
    expect(refused).toEqual(['4', '5'])
    expect(handled).toEqual([])
    open()
    while (runner.size() > 0) await tick()
    expect(handled).toEqual(['1', '2', '3'])
  })
})

describe('behind a webhook', () => {
  const post = (update: Update): Request =>
    new Request('http://bot.example/', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(update),
    })

  test.each([
    ['at once', (): SentinelOptions => ({})],
    ['later', (): SentinelOptions => ({ storage: later(memory({ clock: time.clock })) })],
  ])(
    'a refused update is answered 200, so that it is not redelivered; the storage answers %s',
    async (_, storage) => {
      const reached: string[] = []
      bot.use(guarded({ ...storage(), throttle: { limit: '1/1m', deny: 'silent' } }), (ctx) => {
        reached.push(ctx.msg?.text ?? '')
      })
      const handle = webhookCallback(bot, 'std/http')
      for (const text of ['1', 'over', 'over']) {
        const response = await handle(post(says(alice.id, text)))
        expect(response.status).toBe(200)
        expect(await response.text()).toBe('')
      }
      expect(reached).toEqual(['1'])
    },
  )

  test('a notice is a separate call: the answer to the webhook does not wait for it', async () => {
    bot.use(guarded({ throttle: '1/1m' }))
    // Bots may only write to users who wrote to them first.
    await alice.to(account).sends('hello')
    const handle = webhookCallback(bot, 'std/http')
    for (const text of ['1', 'over']) {
      const response = await handle(post(says(alice.id, text)))
      expect(await response.text()).toBe('')
    }
    await alice.hears('Slow down, please.')
  })

  test('an error of a handler reaches the framework, and the update may be redelivered', async () => {
    let attempts = 0
    bot.use(guarded(), () => {
      if (++attempts === 1) throw new Error('not this time')
    })
    const handle = webhookCallback(bot, 'std/http')
    const update = says(alice.id, 'hello')
    await expect(handle(post(update))).rejects.toThrow('not this time')
    expect((await handle(post(update))).status).toBe(200)
    expect((await handle(post(update))).status).toBe(200)
    expect(attempts).toBe(2)
  })
})

describe('bot.catch()', () => {
  test.each([
    ['at once', (): SentinelOptions => ({})],
    ['later', (): SentinelOptions => ({ storage: later(memory({ clock: time.clock })) })],
  ])('receives errors of handlers unchanged; the storage answers %s', async (_, storage) => {
    const caught: BotError<Order>[] = []
    const thrown = new Error('a bug of the bot')
    bot.catch((error) => {
      caught.push(error)
    })
    bot.use(guarded(storage()), () => {
      throw thrown
    })
    polling()
    await sends('hello')
    expect(caught.map(({ error, ctx }) => [error, ctx.msg?.text])).toEqual([[thrown, 'hello']])
  })

  test('never receives errors of the guard', async () => {
    const caught: unknown[] = []
    const told = new Set<string>()
    bot.catch((error) => {
      caught.push(error)
    })
    const broken = (): never => {
      throw new Error('ours')
    }
    // A storage that is not wrapped, so that its errors surface unchanged.
    const { remote: _, ...plain } = later()
    const away = { ...plain, health: broken, reset: broken }
    const guard = guarded({
      storage: {
        ...away,
        marks: { ...away.marks, get: broken },
        prepare: () => ({ evaluate: broken, peek: broken, settle: broken }),
      },
      throttle: { limit: () => broken(), cost: broken, deny: broken },
      notices: { t: broken },
    })
    guard.membership.on('joined', broken)
    guard.on('warning', broken)
    guard.on('allowed', broken)
    guard.on('error', ({ during }) => told.add(during))
    const reached: string[] = []
    bot.use(guard, async (ctx) => {
      reached.push(ctx.msg?.text ?? '')
      await ctx.sentinel.refund()
      await ctx.sentinel.deny({ refund: true })
    })
    polling()
    await sends('one', 'two')
    await guard.close()
    expect(reached).toEqual(['one', 'two'])
    expect(caught).toEqual([])
    expect([...told].sort()).toEqual([
      'listener for allowed',
      'listener for warning',
      'notices.t',
      'storage.evaluate',
      'throttle.user',
    ])
  })

  test('never receives errors of a burst, which go to onError', async () => {
    const caught: unknown[] = []
    const told: string[] = []
    bot.catch((error) => {
      caught.push(error)
    })
    const onError = (error: unknown, ctx: Context): number =>
      told.push(`${(error as Error).message}: ${ctx.msg?.text}`)
    const guard = guarded({ debounce: { mode: 'trailing', window: '1s', onError } })
    bot.use(guard, () => {
      throw new Error('a bug of the bot')
    })
    polling()
    await sends('one', 'two')
    await guard.close()
    expect(caught).toEqual([])
    expect(told).toEqual(['a bug of the bot: two'])
  })
})
