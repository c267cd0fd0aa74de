import { Bot, type Context, InlineKeyboard } from 'grammy'
import type { Message } from 'grammy/types'
import { SentinelError } from '../../src/core/errors.js'
import { compose } from '../../src/middleware/compose.js'
import { type DebounceOptions, debounce } from '../../src/middleware/debounce.js'
import type { Guard } from '../../src/middleware/guard.js'
import { createTelegram, type Person, type Telegram, type TelegramBot } from '../../src/telegram/index.js'
import { HandTime } from './debounce-time.js'

let telegram: Telegram
let account: TelegramBot
let alice: Person
let bob: Person
let time: HandTime
let stop: () => Promise<void>
/** What handlers received: the text or button, or the kind of content. */
let handled: string[]

beforeEach(async () => {
  telegram = createTelegram()
  account = telegram.createBot({ username: 'guarded_bot' })
  alice = telegram.createUser({ firstName: 'Alice' })
  bob = telegram.createUser({ firstName: 'Bob' })
  time = new HandTime()
  handled = []
})
afterEach(async () => {
  await stop()
  await telegram.close()
})

function guarded(...guards: Guard[]): void {
  const bot = new Bot(account.token, account.config)
  bot.command('menu', (ctx) =>
    ctx.reply('Menu', { reply_markup: new InlineKeyboard().text('Buy', 'buy').text('Sell', 'sell') }),
  )
  bot.use(compose(...guards, { clock: time.clock, timers: time.timers }))
  bot.on('callback_query:data', async (ctx) => {
    handled.push(ctx.callbackQuery.data)
    await ctx.answerCallbackQuery({ text: 'Done' })
  })
  bot.use((ctx) => {
    handled.push(told(ctx))
  })
  const running = bot.start()
  stop = async () => {
    await bot.stop()
    await running
  }
}

function told({ msg, editedMessage }: Context): string {
  if (editedMessage !== undefined) return `edited: ${editedMessage.text}`
  return msg?.text ?? (msg?.photo ? 'photo' : msg?.sticker ? 'sticker' : 'else')
}

async function menu(person: Person): Promise<Message> {
  const asked = await person.to(account).sends('/menu')
  return person.hears('Menu', { in: account, after: asked })
}

describe('the same button on the same message', () => {
  beforeEach(() => guarded(debounce('1s')))

  test('is one tap within the window, and both taps are answered', async () => {
    const message = await menu(alice)
    const first = await alice.to(account).taps(message, 'Buy')
    const second = await alice.to(account).taps(message, 'Buy')
    expect(await first.answer).toMatchObject({ text: 'Done' })
    expect((await second.answer).text).toBeUndefined()
    expect(handled).toEqual(['buy'])
  })

  test('is two taps when the window has passed since the first', async () => {
    const message = await menu(alice)
    const tap = async () => (await alice.to(account).taps(message, 'Buy')).answer
    await tap()
    time.pass(999)
    await tap()
    time.pass(1)
    expect(await tap()).toMatchObject({ text: 'Done' })
    expect(handled).toEqual(['buy', 'buy'])
  })

  test('is not another button, another message or another user', async () => {
    const message = await menu(alice)
    const another = await menu(alice)
    const ofBob = await menu(bob)
    await (await alice.to(account).taps(message, 'Buy')).answer
    await (await alice.to(account).taps(message, 'Sell')).answer
    await (await alice.to(account).taps(another, 'Buy')).answer
    await (await bob.to(account).taps(ofBob, 'Buy')).answer
    expect(handled).toEqual(['buy', 'sell', 'buy', 'buy'])
  })
})

describe('the same message', () => {
  test('is refused within the window and handled after it', async () => {
    guarded(debounce({ window: '1s' }))
    for (const text of ['hi', 'hi', 'ho', 'hi']) await alice.to(account).sends(text)
    await telegram.settled()
    time.pass(1000)
    await alice.to(account).sends('hi')
    await telegram.settled()
    expect(handled).toEqual(['hi', 'ho', 'hi'])
    expect(telegram.calls('sendMessage')).toEqual([])
  })

  test('is not a repetition from another user, or in another chat', async () => {
    const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, members: [bob, account] })
    guarded(debounce('1s'))
    await alice.to(account).sends('hi')
    await alice.in(plaza).sends('hi')
    await bob.in(plaza).sends('hi')
    await bob.in(plaza).sends('hi')
    await telegram.settled()
    expect(handled).toEqual(['hi', 'hi', 'hi'])
  })

  test('may be edited', async () => {
    guarded(debounce('1s'))
    const message = await alice.to(account).sends('hi')
    await alice.to(account).edits(message, 'ho')
    await alice.to(account).edits(message, 'hi')
    await telegram.settled()
    expect(handled).toEqual(['hi', 'edited: ho', 'edited: hi'])
  })

  test('is the same file, whatever its id', async () => {
    const sticker = (unique: string, id: string) => ({
      sticker: {
        file_id: id,
        file_unique_id: unique,
        type: 'regular' as const,
        width: 512,
        height: 512,
        is_animated: false,
        is_video: false,
      },
    })
    guarded(debounce('1s'))
    await alice.to(account).sendsPhoto('cat.jpg')
    await alice.to(account).sendsPhoto('cat.jpg')
    await alice.to(account).sendsPhoto('cat.jpg', { caption: 'my cat' })
    await alice.to(account).sendsPhoto('dog.jpg')
    await alice.to(account).sendsContent(sticker('wave', 'a'))
    await alice.to(account).sendsContent(sticker('wave', 'b'))
    await alice.to(account).sendsContent(sticker('smile', 'b'))
    await telegram.settled()
    expect(handled).toEqual(['photo', 'photo', 'photo', 'sticker', 'sticker'])
  })

  test('is never a repetition without content to compare', async () => {
    guarded(debounce('1s'))
    const shared = { users_shared: { request_id: 1, users: [{ user_id: bob.id }] } }
    await alice.to(account).sendsContent(shared)
    await alice.to(account).sendsContent(shared)
    await telegram.settled()
    expect(handled).toEqual(['else', 'else'])
  })

  test('is not a repetition within an album that contains the same photo twice', async () => {
    guarded(debounce('1s'))
    await alice.to(account).sendsAlbum(['a.jpg', 'a.jpg', 'b.jpg'])
    await telegram.settled()
    expect(handled).toEqual(['photo', 'photo', 'photo'])
  })

  test('is admitted if only taps are debounced, and in shadow', async () => {
    guarded(debounce({ window: '1s', on: ['tap'] }), debounce({ window: '1s', name: 'dry', shadow: true }))
    const message = await menu(alice)
    await alice.to(account).sends('hi')
    await alice.to(account).sends('hi')
    await (await alice.to(account).taps(message, 'Buy')).answer
    await (await alice.to(account).taps(message, 'Buy')).answer
    expect(handled).toEqual(['hi', 'hi', 'buy'])
  })

  test('is followed by one notice if that is configured', async () => {
    guarded(debounce({ window: '10s', deny: 'notice' }))
    for (let i = 0; i < 3; i++) await alice.to(account).sends('hi')
    await telegram.settled()
    await telegram.called('sendMessage')
    expect(handled).toEqual(['hi'])
    expect(telegram.calls('sendMessage')).toHaveLength(1)
  })
})

describe('options', () => {
  beforeEach(() => {
    stop = async () => {}
  })

  const wrong: [option: string, given: DebounceOptions | string, mend: RegExp][] = [
    ['window', 'soon', /not a duration/],
    ['window', '0s', /1 ms or more/],
    ['window', {}, /needs a window/],
    ['window', { mode: 'trailing' }, /needs a window/],
    ['window', { mode: 'leading', albums: '1s' }, /needs a window/],
    ['albums', { albums: 0 }, /1 ms or more/],
    ['maxWait', { window: '1s', maxWait: '2s' }, /'trailing' and albums/],
    ['onError', { window: '1s', onError: () => {} }, /'trailing' and albums/],
    ['maxWait', { window: '3s', mode: 'trailing', maxWait: '2s' }, /shorter than/],
    ['maxSize', { window: '3s', mode: 'trailing', maxSize: 0 }, /1 or more/],
    ['maxKeys', { window: '3s', mode: 'trailing', maxKeys: 1.5 }, /whole number/],
    ['on', { window: '3s', mode: 'trailing', on: ['tap'] }, /only messages are collected/],
    ['shadow', { window: '3s', mode: 'trailing', shadow: true }, /Leave it out/],
    ['name', { albums: '3s', name: 'x' }, /Leave it out/],
    ['name', { window: '3s', name: 'a b' }, /must be a letter/],
  ]
  test.each(wrong)('names %s when it is wrong: %j', (option, given, mend) => {
    const make = () => debounce(given as DebounceOptions)
    expect(make).toThrow(SentinelError)
    expect(make).toThrow(mend)
    expect(make).toThrow(new RegExp(`^debounce\\.${option}: `))
  })

  test('refuses unknown options', () => {
    expect(() => debounce({ window: '1s', windo: '1s' } as DebounceOptions)).toThrow(
      /windo: there is no such/,
    )
  })
})
