import { Bot, type Context } from 'grammy'
import type { Message } from 'grammy/types'
import type { SentinelFlavor } from '../../src/middleware/chain/control.js'
import { compose } from '../../src/middleware/compose.js'
import { type DebounceOptions, debounce } from '../../src/middleware/debounce.js'
import type { FailureEvent } from '../../src/middleware/events.js'
import { Exemptions } from '../../src/middleware/exempt/exemptions.js'
import { Chain, newTally } from '../../src/middleware/pipeline.js'
import { createServices } from '../../src/middleware/services.js'
import { throttle } from '../../src/middleware/throttle.js'
import { createTelegram, type Person, type Telegram, type TelegramBot } from '../../src/telegram/index.js'
import { HandTime } from './debounce-time.js'

type GuardedContext = Context & SentinelFlavor

let telegram: Telegram
let account: TelegramBot
let bot: Bot<GuardedContext>
let alice: Person
let bob: Person
let time: HandTime
let stop: () => Promise<void>
/** One entry for each call of the handlers: the texts or captions it received, joined. */
let calls: string[]
let caught: unknown[]

beforeEach(async () => {
  telegram = createTelegram()
  account = telegram.createBot({ username: 'guarded_bot' })
  alice = telegram.createUser({ firstName: 'Alice' })
  bob = telegram.createUser({ firstName: 'Bob' })
  bot = new Bot<GuardedContext>(account.token, account.config)
  time = new HandTime()
  calls = []
  caught = []
  bot.catch(({ error }) => {
    caught.push(error)
  })
})
afterEach(async () => {
  await stop()
  await telegram.close()
})

function guarded(...options: DebounceOptions<GuardedContext>[]): void {
  const injected = { clock: time.clock, timers: time.timers }
  bot.use(compose<GuardedContext>(...options.map((each) => debounce(each)), injected))
}

function start(): void {
  bot.use(async (ctx) => {
    calls.push(gathered(ctx))
    await ctx.reply(`got ${gathered(ctx)}`)
  })
  const running = bot.start()
  stop = async () => {
    await bot.stop()
    await running
  }
}

const textOf = ({ msg }: Context): string => msg?.text ?? msg?.caption ?? 'photo'

function gathered(ctx: GuardedContext): string {
  const { burst } = ctx.sentinel
  if (burst === undefined) return `alone: ${textOf(ctx)}`
  expect(burst.at(-1)).toBe(ctx)
  return burst.map(textOf).join(' ')
}

/** Sends the texts, and waits until the bot has received them. */
async function says(person: Person, ...texts: readonly string[]): Promise<void> {
  for (const text of texts) await person.to(account).sends(text)
  await telegram.settled()
}

/** Waits for this many calls of background handlers, and returns what they received. */
async function called(count: number): Promise<readonly string[]> {
  await telegram.called('sendMessage', { where: () => telegram.calls('sendMessage').length >= count })
  expect(calls).toHaveLength(count)
  return calls
}

describe('a burst', () => {
  const TRAILING: DebounceOptions<GuardedContext> = { mode: 'trailing', window: '1s' }

  test('is one call with all messages in order, once its author pauses', async () => {
    guarded(TRAILING)
    start()
    for (const text of ['a', 'b', 'c', 'd', 'e']) {
      await says(alice, text)
      time.pass(900)
    }
    expect(calls).toEqual([])
    time.pass(99)
    expect(time.pending).toBe(1)
    time.pass(1)
    expect(await called(1)).toEqual(['a b c d e'])
    expect(time.pending).toBe(0)
    // Timers are checked when they fire, not set anew for every message.
    expect(time.armed).toBeLessThanOrEqual(5)
  })

  test('holds only the messages of one topic, which is a conversation of its own', async () => {
    guarded(TRAILING)
    const forum = telegram.createGroup({ title: 'Forum', owner: alice, admins: [account], forum: true })
    let nth = 100
    // In the direct messages of a channel, the channel answers everybody.
    const answers = (text: string, topic: number) =>
      telegram.deliver(account, {
        message: {
          ...{
            message_id: nth++,
            date: 1,
            text,
            from: { id: 136817688, is_bot: true, first_name: 'Channel' },
          },
          chat: { id: forum.id, type: 'supergroup', title: 'Shop' },
          sender_chat: { id: -1009, type: 'channel', title: 'Shop' },
          direct_messages_topic: { topic_id: topic, user: { id: topic, is_bot: false, first_name: 'Bob' } },
        },
      })
    start()
    const inForum = alice.in(forum)
    const [lunch, rules] = [await inForum.createsTopic('Lunch'), await inForum.createsTopic('Rules')]
    await telegram.settled()
    time.pass(1000)
    await called(calls.length)
    const before = calls.length
    await inForum.inTopic(lunch).sends('pizza?')
    await inForum.inTopic(rules).sends('be kind')
    await inForum.inTopic(lunch).sends('or pasta?')
    for (const [text, topic] of [
      ['your code', 71],
      ['is 12', 71],
      ['hello Bob', 72],
    ] as const)
      answers(text, topic)
    await telegram.settled()
    time.pass(1000)
    await called(before + 4)
    expect(calls.slice(before).sort()).toEqual([
      'be kind',
      'hello Bob',
      'pizza? or pasta?',
      'your code is 12',
    ])
  })

  test('needs one timer, however many messages arrive', async () => {
    guarded(TRAILING)
    start()
    await says(alice, ...Array.from({ length: 40 }, (_, index) => String(index)))
    time.pass(1000)
    await called(1)
    expect(time.armed).toBe(1)
  })

  test('waits for at most ten windows by default', async () => {
    guarded(TRAILING)
    start()
    for (let i = 0; i < 11; i++) {
      await says(alice, String(i))
      time.pass(950)
    }
    expect(await called(1)).toEqual(['0 1 2 3 4 5 6 7 8 9 10'])
  })

  test('waits for at most maxWait', async () => {
    guarded({ ...TRAILING, maxWait: '2500ms' })
    start()
    for (const text of ['a', 'b', 'c', 'd']) {
      await says(alice, text)
      time.pass(800)
    }
    expect(await called(1)).toEqual(['a b c d'])
    await says(alice, 'e')
    time.pass(1000)
    expect(await called(2)).toEqual(['a b c d', 'e'])
  })

  test('is handled at once when it is full', async () => {
    guarded({ ...TRAILING, maxSize: 3 })
    start()
    await says(alice, 'a', 'b', 'c', 'd')
    expect(await called(1)).toEqual(['a b c'])
    time.pass(1000)
    expect(await called(2)).toEqual(['a b c', 'd'])
    expect(time.pending).toBe(0)
  })

  test('is handled at once when too many bursts are held, the oldest first', async () => {
    guarded({ ...TRAILING, maxKeys: 1 })
    start()
    await says(alice, 'a', 'b')
    await says(bob, 'x')
    expect(await called(1)).toEqual(['a b'])
    time.pass(1000)
    expect(await called(2)).toEqual(['a b', 'x'])
  })

  test('is of one user in one chat', async () => {
    const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, members: [bob, account] })
    guarded(TRAILING)
    start()
    await alice.in(plaza).sends('a')
    await bob.in(plaza).sends('x')
    await alice.to(account).sends('p')
    await alice.in(plaza).sends('b')
    await telegram.settled()
    time.pass(1000)
    expect([...(await called(3))].sort()).toEqual(['a b', 'p', 'x'])
  })

  test('does not delay others, neither while it is held nor while it is handled', async () => {
    let finish = () => {}
    guarded(TRAILING)
    bot.hears('slow', async (ctx) => {
      calls.push(gathered(ctx))
      await new Promise<void>((resolve) => {
        finish = resolve
      })
    })
    start()
    await says(alice, 'slow')
    await says(bob, '/ping')
    await bob.hears('got alone: /ping')
    expect(calls).toEqual(['alone: /ping'])
    time.pass(1000)
    await says(bob, '/pong')
    await bob.hears('got alone: /pong')
    await says(bob, 'x')
    time.pass(1000)
    await bob.hears('got x')
    expect(calls).toEqual(['alone: /ping', 'slow', 'alone: /pong', 'x'])
    finish()
  })

  test('waits for the handlers of the previous burst, and collects messages meanwhile', async () => {
    let finish = () => {}
    guarded({ ...TRAILING, maxSize: 3 })
    bot.hears('slow', async (ctx) => {
      calls.push(gathered(ctx))
      await new Promise<void>((resolve) => {
        finish = resolve
      })
    })
    start()
    await says(alice, 'slow')
    time.pass(1000)
    await says(alice, 'a', 'b', 'c', 'd')
    time.pass(5000)
    await says(bob, '/ping')
    await bob.hears('got alone: /ping')
    expect(calls).toEqual(['slow', 'alone: /ping'])
    finish()
    await alice.hears('got d')
    expect(calls).toEqual(['slow', 'alone: /ping', 'a b c', 'd'])
  })

  test('is visible to guards further down', async () => {
    guarded(TRAILING)
    bot.use(throttle('5/1m'))
    start()
    await says(alice, 'a', 'b')
    time.pass(1000)
    expect(await called(1)).toEqual(['a b'])
  })

  test('contains only admitted messages', async () => {
    const { clock, timers } = time
    bot.use(compose<GuardedContext>(throttle('2/1m'), debounce(TRAILING), { clock, timers }))
    bot.use(async (ctx) => {
      calls.push(gathered(ctx))
      await ctx.reply('got it')
    })
    start()
    await says(alice, 'a', 'b', 'c')
    time.pass(1000)
    await alice.hears('got it')
    expect(calls).toEqual(['a b'])
  })
})

describe('a command', () => {
  test('is handled right after the held burst, and waits for nothing else', async () => {
    guarded({ mode: 'trailing', window: '1s' })
    start()
    await says(alice, 'a', 'b', '/done', 'c')
    await alice.hears('got alone: /done')
    expect(calls).toEqual(['a b', 'alone: /done'])
    time.pass(1000)
    expect(await called(3)).toEqual(['a b', 'alone: /done', 'c'])
  })

  test('passes on its own when nothing is held', async () => {
    guarded({ mode: 'trailing', window: '1s' })
    bot.command('fail', () => {
      throw new Error('failed')
    })
    start()
    await says(alice, '/start', '/fail')
    expect(calls).toEqual(['alone: /start'])
    expect(caught).toEqual([new Error('failed')])
  })

  test('does not end bursts of other users', async () => {
    guarded({ mode: 'trailing', window: '1s' })
    start()
    await says(alice, 'a')
    await says(bob, '/start')
    expect(calls).toEqual(['alone: /start'])
    time.pass(1000)
    expect(await called(2)).toEqual(['alone: /start', 'a'])
  })

  test('is collected with commands: collect', async () => {
    guarded({ mode: 'trailing', window: '1s', commands: 'collect' })
    start()
    await says(alice, 'a', '/done', 'b')
    time.pass(1000)
    expect(await called(1)).toEqual(['a /done b'])
  })

  test('addressed to another bot is a message like any other', async () => {
    guarded({ mode: 'trailing', window: '1s' })
    start()
    await says(alice, 'a', '/done@other_bot')
    time.pass(1000)
    expect(await called(1)).toEqual(['a /done@other_bot'])
  })
})

describe('an edit', () => {
  test('joins the held message, and does not end the burst', async () => {
    guarded({ mode: 'trailing', window: '1s' })
    start()
    const message = await alice.to(account).sends('pay 1000')
    await alice.to(account).edits(message, 'pay 10')
    await says(alice, 'now')
    expect(calls).toEqual([])
    time.pass(1000)
    expect(await called(2)).toEqual(['pay 1000 now', 'alone: pay 10'])
  })

  test('is handled before a later command', async () => {
    guarded({ mode: 'trailing', window: '1s' })
    start()
    const message = await alice.to(account).sends('a')
    await alice.to(account).edits(message, 'b')
    await says(alice, '/done')
    expect(await called(3)).toEqual(['a', 'alone: b', 'alone: /done'])
  })

  test('passes on its own when no message of its author is held', async () => {
    guarded({ mode: 'trailing', window: '1s' })
    start()
    const message = await alice.to(account).sends('a')
    await telegram.settled()
    time.pass(1000)
    await called(1)
    await says(bob, 'c')
    await alice.to(account).edits(message, 'b')
    await telegram.settled()
    expect(calls).toEqual(['a', 'alone: b'])
  })
})

describe('an album', () => {
  const caption = { caption: 'cats' }

  test('is one call, even without a window', async () => {
    guarded({ albums: '500ms' })
    start()
    await alice.to(account).sendsAlbum(['1.jpg', '2.jpg', '3.jpg'], caption)
    await says(alice, 'hello', 'hello')
    expect(calls).toEqual(['alone: hello', 'alone: hello'])
    time.pass(500)
    expect(await called(3)).toContain('cats photo photo')
  })

  test('is one call beside a leading debounce', async () => {
    guarded({ window: '1s', albums: '300ms' })
    start()
    await alice.to(account).sendsAlbum(['1.jpg', '1.jpg'], caption)
    await alice.to(account).sendsAlbum(['2.jpg', '3.jpg'])
    await says(alice, 'hello', 'hello')
    time.pass(300)
    const [first, ...albums] = await called(3)
    expect(first).toBe('alone: hello')
    expect(albums.sort()).toEqual(['cats photo', 'photo photo'])
  })

  test('joins the burst of a trailing debounce, which waits longer for it', async () => {
    guarded({ mode: 'trailing', window: '1s', albums: '2s' })
    start()
    await says(alice, 'look')
    await alice.to(account).sendsAlbum(['1.jpg', '2.jpg'], caption)
    await telegram.settled()
    time.pass(1999)
    expect(time.pending).toBe(1)
    await says(alice, 'nice')
    time.pass(1000)
    expect(await called(1)).toEqual(['look cats photo nice'])
  })

  test('of a channel is one call, too', async () => {
    const news = telegram.createChannel({ title: 'News', owner: alice, admins: [account] })
    guarded({ albums: '500ms' })
    start()
    await alice.in(news).sendsAlbum(['1.jpg', '2.jpg'])
    await telegram.settled()
    time.pass(500)
    expect(await called(1)).toEqual(['photo photo'])
  })

  test.each([
    ['alone', {}, ['/post photo photo']],
    ['beside a trailing debounce', { mode: 'trailing', window: '300ms' }, ['look /post photo photo']],
  ] as const)('is one call, whatever its captions say: %s', async (_, options, expected) => {
    guarded({ albums: '500ms', ...options })
    start()
    if ('mode' in options) await says(alice, 'look')
    await alice.to(account).sendsAlbum(['1.jpg', '2.jpg', '3.jpg'], { caption: '/post' })
    await telegram.settled()
    expect(calls).toEqual([])
    time.pass(500)
    expect(await called(1)).toEqual(expected)
  })

  test('is handled before an edit of its caption', async () => {
    guarded({ albums: '500ms' })
    start()
    const [photo] = await alice.to(account).sendsAlbum(['1.jpg', '2.jpg'], caption)
    await alice.to(account).edits(photo as Message, 'dogs')
    await telegram.settled()
    expect(calls).toEqual([])
    time.pass(500)
    expect(await called(2)).toEqual(['cats photo', 'alone: dogs'])
  })

  test('of a channel is handled before an edit of its caption, too', async () => {
    const news = telegram.createChannel({ title: 'News', owner: alice, admins: [account] })
    guarded({ albums: '500ms' })
    start()
    const [photo] = await alice.in(news).sendsAlbum(['1.jpg', '2.jpg'], caption)
    await alice.in(news).edits(photo as Message, 'dogs')
    await telegram.settled()
    expect(calls).toEqual([])
    time.pass(500)
    expect(await called(2)).toEqual(['cats photo', 'alone: dogs'])
  })

  test('waits for the handlers of the previous album of the same user', async () => {
    guarded({ albums: '500ms' })
    const first = promised<void>()
    bot.use((_, next) => (calls.length > 0 ? next() : first.promise.then(next)))
    let atOnce = 0
    bot.use(async (_, next) => {
      atOnce++
      expect(atOnce).toBe(1)
      await next()
      atOnce--
    })
    start()
    await alice.to(account).sendsAlbum(['1.jpg', '2.jpg'], caption)
    await alice.to(account).sendsAlbum(['3.jpg', '4.jpg'])
    await telegram.settled()
    time.pass(500)
    first.keep()
    expect(await called(2)).toEqual(['cats photo', 'photo photo'])
  })
})

/** A promise that is resolved from outside. */
function promised<T>(): { readonly promise: Promise<T>; readonly keep: (value: T) => void } {
  let keep: (value: T) => void = () => {}
  const promise = new Promise<T>((resolve) => {
    keep = resolve
  })
  return { promise, keep }
}

describe('errors of handlers', () => {
  const failure = new Error('failed')

  test('go to onError, and affect neither the bot nor the next burst', async () => {
    const told = promised<[unknown, GuardedContext]>()
    guarded({ mode: 'trailing', window: '1s', onError: (...args) => told.keep(args) })
    bot.hears('bad', () => Promise.reject(failure))
    start()
    await says(alice, 'a', 'bad')
    time.pass(1000)
    const [error, ctx] = await told.promise
    expect(error).toBe(failure)
    expect(gathered(ctx)).toBe('a bad')
    await says(alice, 'b')
    time.pass(1000)
    expect(await called(1)).toEqual(['b'])
    expect(caught).toEqual([])
  })

  test('delay the next burst for ten seconds at most if onError hangs, which is reported', async () => {
    const told = promised<FailureEvent>()
    const services = createServices({ clock: time.clock, timers: time.timers })
    services.events.on('error', told.keep)
    const { definitions } = debounce({
      mode: 'trailing',
      window: '1s',
      onError: () => new Promise(() => undefined),
    })
    const chain = new Chain(services, definitions, 'test', new Exemptions({}, undefined), newTally())
    bot.use((ctx, next) => chain.run(ctx, next))
    const failing = promised<void>()
    bot.hears('bad', () => {
      failing.keep()
      throw failure
    })
    start()
    await says(alice, 'bad')
    time.pass(1000)
    await failing.promise
    await says(alice, 'next')
    time.pass(9999)
    expect(calls).toEqual([])
    time.pass(1)
    expect(await told.promise).toMatchObject({
      during: 'debounce.onError',
      error: { code: 'callback.timeout' },
    })
    expect(await called(1)).toEqual(['next'])
  })

  test.each([
    ['are reported as events', undefined, 'debounce.trailing'],
    [
      'of onError are reported, too',
      () => {
        throw failure
      },
      'debounce.onError',
    ],
  ])('%s', async (_, onError, during) => {
    const told = promised<FailureEvent>()
    const services = createServices({ clock: time.clock, timers: time.timers })
    services.events.on('error', told.keep)
    const { definitions } = debounce({
      mode: 'trailing',
      window: '1s',
      ...(onError && { onError }),
    })
    const chain = new Chain(services, definitions, 'test', new Exemptions({}, undefined), newTally())
    bot.use((ctx, next) => chain.run(ctx, next))
    bot.use(() => Promise.reject(failure))
    start()
    await says(alice, 'bad')
    time.pass(1000)
    expect(await told.promise).toEqual({ error: failure, during })
    expect(caught).toEqual([])
  })
})

describe('closing', () => {
  test('handles held bursts, waits for the handlers, and holds nothing from then on', async () => {
    const services = createServices({ clock: time.clock, timers: time.timers })
    const { definitions } = debounce({ mode: 'trailing', window: '1s' })
    const chain = new Chain(services, definitions, 'test', new Exemptions({}, undefined), newTally())
    bot.use((ctx, next) => chain.run(ctx, next))
    start()
    await says(alice, 'a', 'b')
    await says(bob, 'x')
    expect(calls).toEqual([])
    await chain.drain()
    expect(calls).toEqual(['a b', 'x'])
    // Their calls have been answered, too.
    expect(telegram.calls('sendMessage').map(({ result }) => result !== undefined)).toEqual([true, true])
    expect(time.pending).toBe(0)
    await says(alice, 'c')
    expect(calls).toEqual(['a b', 'x', 'alone: c'])
    await chain.drain()
  })
})
