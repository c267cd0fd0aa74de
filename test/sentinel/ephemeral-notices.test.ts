import { Bot } from 'grammy'
import type { Message } from 'grammy/types'
import { type Sentinel, type SentinelOptions, sentinel } from '../../src/index.js'
import type { Person, TelegramGroup } from '../../src/telegram/index.js'
import { type GuardedContext, type Rig, rig, Stage } from '../middleware/rig.js'
import { idle } from './desk.js'

const SLOWLY = /^Slow down/

let at: Rig
let time: Stage
let guard: Sentinel<GuardedContext>
let plaza: TelegramGroup
let failures: string[]

/** A bot in a group that Alice owns and of which Bob is a member. It answers one command a minute. */
async function open(
  isAdmin: boolean,
  options: SentinelOptions = {},
  handlers?: (bot: Bot<GuardedContext>) => void,
): Promise<void> {
  time = new Stage()
  guard = sentinel<GuardedContext>({
    throttle: '1/1m',
    clock: time.clock,
    timers: time.timers,
    ...options,
  })
  failures = []
  guard.on('error', ({ error }) => failures.push((error as Error).message))
  at = await rig(guard, handlers, { clock: time.clock })
  plaza = at.telegram.createGroup({
    title: 'Plaza',
    owner: at.alice,
    members: isAdmin ? [at.bob] : [at.bob, at.account],
    admins: isAdmin ? [at.account] : [],
  })
  at.start()
}

afterEach(async () => {
  await at.stop()
  await guard.close()
})

async function quiet(): Promise<void> {
  await at.settled()
  await idle(guard)
}

/** Sends the command until it is refused. */
async function exceeds(who: Person, command = '/x'): Promise<void> {
  for (let i = 0; i < 2; i++) await who.in(plaza).sends(command)
  await quiet()
}

/** The messages that the bot tried to send: to whom they were visible, and whether Telegram sent them. */
const tried = (): string[] =>
  at.telegram
    .calls('sendMessage')
    .map(
      ({ params, result }) =>
        `${params.ephemeral_message_parameters === undefined ? 'public' : 'ephemeral'} ${result?.ok === true ? 'sent' : 'refused'}`,
    )

/** What the whole group sees of the bot. */
const inPublic = (): (string | undefined)[] =>
  plaza.messages
    .filter(({ from, ephemeral_message_id }: Message) => from?.is_bot && ephemeral_message_id === undefined)
    .map(({ text }) => text)

/** Makes the bot's Bot API server one that ignores the parameters for ephemeral messages, as older ones do. */
function ignoresEphemeral(bot: Bot<GuardedContext>): void {
  bot.api.config.use((prev, method, payload, signal) => {
    const sent: Record<string, unknown> = { ...payload }
    delete sent.ephemeral_message_parameters
    delete sent.reply_parameters
    return prev(method, sent as typeof payload, signal)
  })
}

describe('a notice in a group', () => {
  test('is ephemeral if the bot is an administrator', async () => {
    await open(true)
    await exceeds(at.alice)
    expect(tried()).toEqual(['ephemeral sent'])
    expect(at.telegram.calls('sendMessage')[0]?.params).toMatchObject({ disable_notification: true })
  })

  test('is public and silent if it is not, and is tried as an ephemeral one every ten minutes only', async () => {
    await open(false)
    await exceeds(at.alice)
    time.advance(60_000)
    await exceeds(at.alice)
    expect(tried()).toEqual(['ephemeral refused', 'public sent', 'public sent'])
    time.advance(600_000)
    await exceeds(at.alice)
    expect(tried().slice(3)).toEqual(['ephemeral refused', 'public sent'])
    expect(failures).toEqual([])
  })

  test('answers an ephemeral command by an ephemeral message, which every bot may send', async () => {
    await open(false)
    await exceeds(at.alice)
    await at.bot.api.setMyCommands([{ command: 'secret', description: 'Secret', is_ephemeral: true }])
    time.advance(60_000)
    await exceeds(at.alice, '/secret')
    expect(tried()).toEqual(['ephemeral refused', 'public sent', 'ephemeral sent'])
    expect(inPublic()).toHaveLength(1)
  })

  test('is never public if it answers an ephemeral command', async () => {
    await open(true)
    await at.bot.api.setMyCommands([{ command: 'secret', description: 'Secret', is_ephemeral: true }])
    for (let i = 0; i < 2; i++)
      at.telegram.faults.next('sendMessage', { code: 400, description: 'Bad Request: message not found' })
    await exceeds(at.alice, '/secret')
    expect(tried()).toEqual(['ephemeral refused', 'ephemeral refused'])
    expect(failures).toEqual([expect.stringContaining('message not found')])
  })

  test.each([true, false])(
    'is ephemeral if it answers an ephemeral command too late; the bot is an administrator: %s',
    async (isAdmin) => {
      await open(isAdmin)
      await at.bot.api.setMyCommands([{ command: 'secret', description: 'Secret', is_ephemeral: true }])
      at.bot.api.config.use((prev, method, payload, signal) => {
        // Telegram accepts such an answer for 15 seconds only.
        if (method === 'sendMessage') time.advance(15_000)
        return prev(method, payload, signal)
      })
      await exceeds(at.alice, '/secret')
      expect(tried()).toEqual(['ephemeral refused', isAdmin ? 'ephemeral sent' : 'ephemeral refused'])
      expect(inPublic()).toEqual([])
      expect(failures).toEqual(isAdmin ? [] : [expect.stringContaining('message to be replied not found')])
    },
  )

  test('stays ephemeral for others if one receiver is no member', async () => {
    await open(true)
    // Whoever can read a channel may comment in its group without joining.
    at.telegram.createChannel({ title: 'News', owner: at.alice, linkedGroup: plaza, username: 'news' })
    const reader = at.telegram.createUser({ firstName: 'Reader' })
    await exceeds(reader)
    await exceeds(at.alice)
    expect(tried()).toEqual(['ephemeral refused', 'public sent', 'ephemeral sent'])
  })

  test('stays ephemeral for others if a topic is closed, in which nothing is sent twice', async () => {
    await open(true)
    at.telegram.faults.next('sendMessage', { code: 400, description: 'Bad Request: TOPIC_CLOSED' })
    await exceeds(at.alice)
    await exceeds(at.bob)
    expect(tried()).toEqual(['ephemeral refused', 'ephemeral sent'])
    expect(failures).toEqual([expect.stringContaining('TOPIC_CLOSED')])
  })

  test.each([
    'BOT_NOT_ADMIN',
    'not enough rights to send ephemeral messages',
    'ephemeral messages cannot be sent in topics',
  ])('is public if Telegram refuses it because of the bot: %s', async (reason) => {
    await open(true)
    at.telegram.faults.next('sendMessage', { code: 400, description: `Bad Request: ${reason}` })
    await exceeds(at.alice)
    await exceeds(at.bob)
    expect(tried()).toEqual(['ephemeral refused', 'public sent', 'public sent'])
    expect(failures).toEqual([])
  })

  test('stays ephemeral if another bot of the sentinel is no administrator', async () => {
    await open(true)
    const bot = at.telegram.createBot({ username: 'plain_bot' })
    await at.alice.in(plaza).adds(bot)
    at.telegram.faults.next('sendMessage', { code: 400, description: 'Bad Request: BOT_NOT_ADMIN', bot })
    const other = new Bot<GuardedContext>(bot.token, bot.config)
    other.use(guard)
    await at.telegram.runs(other)
    await exceeds(at.alice, '/x@plain_bot')
    await exceeds(at.bob, '/x@guarded_bot')
    expect(tried()).toEqual(['ephemeral refused', 'public sent', 'ephemeral sent'])
  })

  test('is public from then on if the Bot API server does not know ephemeral messages', async () => {
    await open(true)
    ignoresEphemeral(at.bot)
    const asked: boolean[] = []
    at.bot.api.config.use((prev, method, payload, signal) => {
      if (method === 'sendMessage') asked.push('ephemeral_message_parameters' in payload)
      return prev(method, payload, signal)
    })
    await exceeds(at.alice)
    await exceeds(at.bob)
    expect(asked).toEqual([true, false])
    expect(at.telegram.calls('sendMessage').map(({ params }) => params.disable_notification)).toEqual([
      true,
      true,
    ])
  })

  test('is deleted, and not tried again, if such a server makes the answer to an ephemeral command public', async () => {
    await open(true)
    ignoresEphemeral(at.bot)
    await at.bot.api.setMyCommands([{ command: 'secret', description: 'Secret', is_ephemeral: true }])
    const other = at.telegram.createGroup({ title: 'Park', owner: at.alice, admins: [at.account] })
    await exceeds(at.alice, '/secret')
    time.advance(60_000)
    for (let i = 0; i < 2; i++) await at.alice.in(other).sends('/secret')
    await quiet()
    expect(tried()).toEqual(['public sent'])
    expect([...plaza.messages, ...other.messages].filter(({ from }) => from?.is_bot)).toEqual([])
    await exceeds(at.bob)
    expect(inPublic()).toHaveLength(1)
    expect(failures).toEqual([])
  })

  test.each([
    ['a flood limit', { code: 429, retryAfter: 5 }],
    ['a fault of Telegram', { code: 500 }],
  ])('is not sent again if such an answer cannot be deleted because of %s', async (_, fault) => {
    await open(true)
    ignoresEphemeral(at.bot)
    await at.bot.api.setMyCommands([{ command: 'secret', description: 'Secret', is_ephemeral: true }])
    at.telegram.faults.next('deleteMessage', fault)
    await exceeds(at.alice, '/secret')
    for (let minute = 0; minute < 9; minute++) {
      time.advance(60_000)
      await exceeds(at.alice, '/secret')
    }
    expect(failures).toEqual([expect.stringContaining('deleteMessage')])
    expect(tried()).toEqual(['public sent'])
  })

  test('may be sent in a dry run, in which the API returns nothing', async () => {
    await open(true)
    await at.bot.api.setMyCommands([{ command: 'secret', description: 'Secret', is_ephemeral: true }])
    const sent: string[] = []
    at.bot.api.config.use(async (prev, method, payload, signal) => {
      if (method === 'getUpdates') return prev(method, payload, signal)
      sent.push(method)
      return { ok: true, result: undefined as never }
    })
    await exceeds(at.alice, '/secret')
    expect([sent, failures]).toEqual([['sendMessage'], []])
  })

  test('is reported with the first reason if the bot is no administrator and may not send it otherwise either', async () => {
    await open(false)
    await at.bot.api.setMyCommands([{ command: 'secret', description: 'Secret', is_ephemeral: true }])
    at.telegram.faults.next('sendMessage', { code: 400, description: 'Bad Request: message is too long' })
    await exceeds(at.alice, '/secret')
    expect(tried()).toEqual(['ephemeral refused', 'ephemeral refused'])
    expect(failures).toEqual([expect.stringContaining('message is too long')])
  })

  test('is not sent for commands that a linked channel posts', async () => {
    await open(true, { auth: {} })
    const news = at.telegram.createChannel({
      title: 'News',
      owner: at.alice,
      admins: [at.account],
      linkedGroup: plaza,
    })
    await at.alice.in(news).posts('/ban@guarded_bot x')
    await quiet()
    expect(plaza.messages.map(({ text }) => text)).toEqual(['/ban@guarded_bot x'])
    expect(tried()).toEqual([])
  })
})

describe('a notice that could not be sent', () => {
  test.each([
    ['a flood limit', { code: 429, retryAfter: 1 }],
    ['a fault of Telegram', { code: 500 }],
    ['a cut connection', { drop: true }],
  ])('because of %s is sent at the first refusal after the wait', async (_, fault) => {
    await open(true, { throttle: { limit: '1/1h', noticeEvery: '1h' } })
    at.telegram.faults.next('sendMessage', fault)
    for (const text of ['1', '2']) await at.alice.to(at.account).sends(text)
    await quiet()
    expect(failures).toHaveLength(1)
    time.advance(60_000)
    for (const text of ['3', '4']) await at.alice.to(at.account).sends(text)
    await quiet()
    expect(at.alice.heard.filter(({ text }) => SLOWLY.test(text ?? ''))).toHaveLength(1)
  })

  test.each([
    ['Telegram asks to wait 30 seconds', { code: 429, retryAfter: 30 }, 30_000],
    ['Telegram has a fault', { code: 500 }, 60_000],
  ])('is not tried again before the wait is over: %s', async (_, fault, wait) => {
    await open(true, { throttle: { limit: '1/1h', noticeEvery: '1h' } })
    at.telegram.faults.next('sendMessage', fault)
    const calls = async (): Promise<number> => {
      for (const text of ['1', '2', '3']) {
        await at.alice.to(at.account).sends(text)
        await quiet()
      }
      return at.telegram.calls('sendMessage').length
    }
    expect(await calls()).toBe(1)
    time.advance(wait - 1)
    expect(await calls()).toBe(1)
    time.advance(1)
    expect(await calls()).toBe(2)
    expect(failures).toHaveLength(1)
  })

  const often = { limit: '1/1h', noticeEvery: '10s' } as const
  test.each<[string, SentinelOptions, (ctx: GuardedContext) => unknown]>([
    ['its usual interval has passed', { throttle: often }, () => undefined],
    ['a handler denies again', { throttle: false }, ({ sentinel }) => sentinel.deny()],
    ['a function sends it', { throttle: { ...often, deny: ({ say }) => say() } }, () => undefined],
  ])('is not tried again before the wait is over although %s', async (_, options, handler) => {
    await open(true, options, (bot) => bot.on('message', handler))
    at.telegram.faults.next('sendMessage', { code: 429, retryAfter: 60 })
    const sends = async (text: string): Promise<void> => {
      // In the group, a notice for it comes due that may not be sent there.
      await at.alice.in(plaza).sends(text)
      await at.alice.to(at.account).sends(text)
      await quiet()
    }
    await at.alice.to(at.account).sends('first')
    for (let elapsed = 0; elapsed < 60; elapsed += 10) {
      await sends('again')
      time.advance(10_000)
    }
    expect(tried()).toEqual(['public refused'])
    await sends('after the wait')
    expect(tried()).toEqual(['public refused', 'public sent'])
  })

  test('is not due for a function that sends messages itself before the wait is over', async () => {
    const due: boolean[] = []
    const deny = ({ notice, say }: { notice: boolean; say: () => void }): void => {
      due.push(notice)
      say()
    }
    await open(true, { throttle: { ...often, deny } })
    at.telegram.faults.next('sendMessage', { code: 429, retryAfter: 60 })
    await at.alice.to(at.account).sends('admitted')
    for (let elapsed = 0; elapsed <= 60; elapsed += 15) {
      await at.alice.to(at.account).sends('refused')
      await quiet()
      time.advance(15_000)
    }
    expect(due).toEqual([true, false, false, false, true])
    expect(tried()).toEqual(['public refused', 'public sent'])
  })

  test('delays the notices for other people in that chat, and none elsewhere', async () => {
    await open(false, { throttle: { limit: '1/1h', noticeEvery: '10s' } })
    await exceeds(at.alice)
    time.advance(10_000)
    at.telegram.faults.next('sendMessage', { code: 429, retryAfter: 60 })
    const before = tried().length
    await at.alice.in(plaza).sends('/x')
    await quiet()
    await exceeds(at.bob)
    expect(tried().slice(before)).toEqual(['public refused'])
    time.advance(10_000)
    await at.alice.to(at.account).sends('in private')
    await quiet()
    expect(tried().slice(before)).toEqual(['public refused', 'public sent'])
    time.advance(50_000)
    await at.bob.in(plaza).sends('/x')
    await quiet()
    expect(tried().slice(before)).toEqual(['public refused', 'public sent', 'public sent'])
  })

  test('delays no answers to taps, which do not end the wait', async () => {
    await open(true, { throttle: { limit: '1/1h', noticeEvery: '10s' } }, (bot) =>
      bot.command('start', (ctx) =>
        ctx.reply('Menu', { reply_markup: { inline_keyboard: [[{ text: 'Go', callback_data: 'go' }]] } }),
      ),
    )
    const private_ = at.alice.to(at.account)
    await private_.sends('/start')
    await quiet()
    at.telegram.faults.next('sendMessage', { code: 429, retryAfter: 60 })
    await private_.sends('more')
    await quiet()
    const menu = at.alice.heard.find(({ text }) => text === 'Menu')
    for (let elapsed = 0; elapsed < 50; elapsed += 10) {
      time.advance(10_000)
      await private_.taps(menu as Message, 'go')
      await private_.sends('more')
      await quiet()
    }
    const answers = at.telegram.calls('answerCallbackQuery').map(({ params }) => params.text)
    expect(answers).toEqual(Array(5).fill(expect.stringMatching(SLOWLY)))
    expect(tried()).toEqual(['public sent', 'public refused'])
  })

  test('because the user has blocked the bot is not sent again', async () => {
    await open(true, { throttle: { limit: '1/1h', noticeEvery: '1h' } })
    at.telegram.faults.next('sendMessage', { code: 403 })
    for (const text of ['1', '2', '3']) await at.alice.to(at.account).sends(text)
    await quiet()
    expect(at.telegram.calls('sendMessage')).toHaveLength(1)
  })
})
