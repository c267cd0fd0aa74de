import { Bot, webhookCallback } from 'grammy'
import { type LimitInput, type SentinelOptions, sentinel, type Texts } from '../../src/index.js'
import { Extras } from '../extras.js'
import { desk, idle, nextId, says, taps, tick, user } from './desk.js'

const ALICE = 7

/** The notices that a user gets who exceeds the limit by one message. */
async function toldTo(
  language: string,
  notices: SentinelOptions['notices'],
  throttle: LimitInput = '1/1m',
): Promise<string[]> {
  const made = desk({ throttle, notices })
  made.guard.on('error', () => undefined)
  for (const text of ['1', '2']) await made.handle(says(ALICE, text, { language }))
  await made.quiet()
  return made.notices
}

describe('the text of a notice', () => {
  test.each([
    ['en', 'Slow down, please. Try again in 1m.'],
    ['ru', 'Не так быстро. Попробуйте снова через 1 мин.'],
    ['pt-br', 'Calma! 1 min.'],
    ['PT-br', 'Calma! 1 min.'],
    ['pt', 'Devagar! 1 min.'],
    ['pt-pt', 'Devagar! 1 min.'],
    ['tlh', 'Slow down, please. Try again in 1m.'],
    ['__proto__', 'Slow down, please. Try again in 1m.'],
    ['constructor', 'Slow down, please. Try again in 1m.'],
    ['', 'Slow down, please. Try again in 1m.'],
  ])('in %j: %j', async (language, text) => {
    const texts = { 'pt-BR': { limited: 'Calma! {wait}.' }, pt: { limited: 'Devagar! {wait}.' } }
    expect(await toldTo(language, { texts })).toEqual([text])
  })

  test('custom texts precede the built-in ones, which fill the gaps', async () => {
    expect(await toldTo('en', { texts: { en: { limited: 'Hey! {wait}, {wait}.' } } })).toEqual([
      'Hey! 1m, 1m.',
    ])
    expect(await toldTo('en', { texts: { en: { blocked: 'No.' } } })).toEqual([
      'Slow down, please. Try again in 1m.',
    ])
    expect(await toldTo('de', { texts: { en: { limited: 'Own English.' } } })).toEqual(['Own English.'])
    expect(await toldTo('en', { texts: { en: { limited: '' } } })).toEqual([])
  })

  test('a custom translation precedes the texts, and may fall back to them', async () => {
    const t = (language: string | undefined, { reason }: { reason: string }): string | undefined =>
      language === 'de' ? `${reason}!` : undefined
    expect(await toldTo('de', { t })).toEqual(['limited!'])
    expect(await toldTo('en', { t })).toEqual(['Slow down, please. Try again in 1m.'])
  })

  test('a custom translation may contain {wait}, which is put into words of its language', async () => {
    expect(await toldTo('de', { t: () => 'In {wait} bitte!' })).toEqual(['In 1 Min. bitte!'])
  })

  test.each([
    ['1/1d', '1 дн.'],
    ['1/7d', '1 нед.'],
    ['1/8d', '1 нед. 1 дн.'],
    ['1/2h', '2 ч.'],
  ] as const)('ends with a single full stop where the wait of %s is abbreviated', async (limit, wait) => {
    expect(await toldTo('ru', {}, limit)).toEqual([`Не так быстро. Попробуйте снова через ${wait}`])
    expect(await toldTo('ru', { t: () => '{wait}!' }, limit)).toEqual([`${wait.replace('ч.', 'ч')}!`])
  })

  test('a custom translation does not ask to wait for what can never pass', async () => {
    const made = desk({ throttle: { limit: '1/1m', cost: () => 2 }, notices: { t: () => 'Later: {wait}.' } })
    await made.says(ALICE, 'expensive')
    await made.quiet()
    expect(made.notices).toEqual(['This is not possible right now.'])
  })

  test('markup arrives as it was written: nothing is parsed, nothing is lost', async () => {
    const limited = '<b>Stop</b> & think, *please* _now_ [here](tg://user?id=1)'
    const { handle, calls, quiet } = desk({ throttle: '1/1m', notices: { texts: { en: { limited } } } })
    for (const text of ['1', '2']) await handle(says(ALICE, text))
    await quiet()
    expect(calls).toEqual([
      {
        bot: 42,
        method: 'sendMessage',
        payload: { chat_id: ALICE, text: limited, parse_mode: '', disable_notification: true },
      },
    ])
    expect(await toldTo('en', { t: () => limited })).toEqual([limited])
  })

  test.each<[string, () => string]>([
    [
      'throws',
      () => {
        throw new Error('no dictionary')
      },
    ],
    ['gives no text', () => 5 as unknown as string],
  ])('a translation that %s stops no update, and the built-in text is used', async (_, t) => {
    const {
      guard,
      handle,
      says: say,
      reached,
      notices,
      calls,
      quiet,
    } = desk({ throttle: '1/1m', notices: { t } })
    guard.on('error', () => undefined)
    await say(ALICE, '1', '2')
    await handle(taps(8, 'a'))
    await handle(taps(8, 'b'))
    await quiet()
    expect(reached).toEqual(['1', 'a'])
    expect(notices).toEqual(['Slow down, please. Try again in 1m.'])
    expect(calls.find(({ method }) => method === 'answerCallbackQuery')?.payload.text).toBe(notices[0])
  })
})

describe('denials', () => {
  test('silent sends nothing, but ends the spinner of a tap', async () => {
    const { handle, says: say, calls, quiet } = desk({ throttle: { limit: '1/1m', deny: 'silent' } })
    await say(ALICE, '1', '2')
    await handle(taps(ALICE, 'buy'))
    await quiet()
    expect(calls.map(({ method, payload }) => [method, payload.text])).toEqual([
      ['answerCallbackQuery', undefined],
    ])
  })

  test('a function is called for each, and knows when a notice is due', async () => {
    const told: unknown[] = []
    const {
      says: say,
      time,
      notices,
      quiet,
    } = desk({
      throttle: {
        limit: '1/1m',
        noticeEvery: '10s',
        deny: ({ ctx, facts, verdict, notice, text }) => {
          told.push([ctx.msg?.text, facts.actorId, verdict.reason, notice])
          return notice ? ctx.reply(`${text} (from the function)`) : undefined
        },
      },
    })
    await say(ALICE, '1', '2', '3')
    time.advance(10_000)
    await say(ALICE, '4')
    await quiet()
    expect(told).toEqual([
      ['2', ALICE, 'limited', true],
      ['3', ALICE, 'limited', false],
      ['4', ALICE, 'limited', true],
    ])
    expect(notices).toEqual([
      'Slow down, please. Try again in 1m. (from the function)',
      'Slow down, please. Try again in 50s. (from the function)',
    ])
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('a bug')
      },
    ],
    ['rejects', () => Promise.reject(new Error('a bug'))],
  ])('a function that %s stops no update, and is reported', async (_, deny) => {
    const { guard, says: say, reached, quiet } = desk({ throttle: { limit: '1/1m', deny } })
    const told: unknown[] = []
    guard.on('error', ({ during, error }) => told.push([during, (error as Error).message]))
    await say(ALICE, '1', '2')
    await quiet()
    expect(reached).toEqual(['1'])
    expect(told).toEqual([['deny', 'a bug']])
  })

  test('a veto of a resolver is answered by the deny option of auth', async () => {
    const told: string[] = []
    const resolve = () => ({ allow: false, note: 'unpaid' }) as const
    const silent = desk({ auth: { registration: 'auto', resolve, deny: 'silent' } })
    await silent.says(ALICE, '1', '2')
    await silent.quiet()
    expect(silent.calls).toEqual([])
    const own = desk({
      auth: {
        registration: 'auto',
        resolve,
        deny: ({ verdict }) => told.push(`${verdict.reason} ${verdict.note}`),
      },
    })
    await own.says(ALICE, '1')
    await own.quiet()
    expect(told).toEqual(['vetoed unpaid'])
    expect(own.notices).toEqual([])
  })

  test('notices have a budget, so that a flood of many does not make the bot run into 429', async () => {
    const { guard, handle, time, notices, quiet } = desk({ throttle: '1/1m', notices: { budget: '3/1s' } })
    const people = Array.from({ length: 10 }, (_, index) => 100 + index)
    for (const from of people) for (const text of ['1', '2']) await handle(says(from, text))
    await quiet()
    expect(notices).toHaveLength(3)
    expect((await guard.health()).unsaid).toBe(7)
    time.advance(1000)
    for (const from of [200, 201, 202, 203]) for (const text of ['1', '2']) await handle(says(from, text))
    await quiet()
    expect(notices).toHaveLength(6)
  })

  test.each<[string, Record<string, Texts>, string, string?]>([
    ['usual', {}, 'This is not possible right now.'],
    ['of the bot', { en: { limited: '{wait}!', denied: 'Too much at once.' } }, 'Too much at once.'],
    ['of another language', { en: { denied: 'Too much.' }, xx: { limited: '{wait}!' } }, 'Too much.', 'xx'],
    ['without a wait', { en: { limited: 'No.' } }, 'No.'],
  ])(
    'no waiting time is given for updates that can never pass: texts that are %s',
    async (_, texts, told, language = 'en') => {
      const made = desk({ throttle: { limit: '1/1m', cost: () => 3 }, notices: { texts } })
      await made.handle(says(ALICE, 'all of it', { language }))
      await made.quiet()
      expect(made.notices).toEqual([told])
    },
  )

  test('notices that are not sent, because of an empty text or a group that wants none, do not use the budget', async () => {
    const {
      guard,
      handle,
      says: say,
      notices,
      quiet,
    } = desk({
      throttle: '1/1h',
      settings: { notices: true },
      notices: { budget: '1/1h', texts: { ru: { limited: '' }, de: { limited: ' \n' } } },
    })
    const failures: unknown[] = []
    guard.on('error', ({ error }) => failures.push(error))
    await say(8, 'meets the bot')
    await guard.settings.set(-1001000000001, { notices: false })
    for (const text of ['/a', '/b']) {
      await handle(says(10, text, { group: true }))
      await quiet()
    }
    for (const text of ['1', '2']) await handle(says(11, text, { language: 'ru' }))
    for (const text of ['1', '2']) await handle(says(13, text, { language: 'de' }))
    expect((await guard.health()).unsaid).toBe(0)
    await say(12, '1', '2')
    await quiet()
    expect(notices).toEqual(['Slow down, please. Try again in 1h.'])
    expect(failures).toEqual([])
  })

  test('a user who is banned gets a notice when the ban begins, even just after another notice', async () => {
    const throttle = { limit: '5/1m', penalty: { after: 3, bans: ['10m'] } } as const
    const { says: say, time, notices, quiet } = desk({ throttle })
    await say(ALICE, ...'12345678')
    time.advance(12_000)
    await say(ALICE, 'as told')
    await quiet()
    expect(notices).toEqual(['Slow down, please. Try again in 12s.', 'Slow down, please. Try again in 10m.'])
  })

  test('changing options does not renew the budget', async () => {
    const { guard, says, notices, quiet } = desk({ throttle: '1/1h', notices: { budget: '2/1h' } })
    for (const from of [10, 11, 12]) await says(from, '1', '2')
    guard.reconfigure({ debounce: false })
    for (const from of [13, 14]) await says(from, '1', '2')
    await quiet()
    expect([notices.length, (await guard.health()).unsaid]).toEqual([2, 3])
  })

  test('the answer to a tap ends with a whole character', async () => {
    const limited = `${'x'.repeat(199)}🚦!`
    const { handle, calls, quiet } = desk({ throttle: '1/1h', notices: { texts: { en: { limited } } } })
    for (const data of ['1', '2']) await handle(taps(ALICE, data))
    await quiet()
    expect(calls.at(-1)?.payload.text).toBe('x'.repeat(199))
  })

  test('in a group only commands are answered, visible to the offender only, in their topic', async () => {
    const { handle, calls, quiet } = desk({ throttle: '1/1m' })
    for (const text of ['1', 'chatter']) await handle(says(ALICE, text, { group: true }))
    await quiet()
    expect(calls).toEqual([])
    const { update_id, message } = says(8, '/help', { group: true })
    const topic = { ...message, is_topic_message: true, message_thread_id: 5 }
    await handle(says(8, '1', { group: true }))
    await handle({ update_id, message: topic } as never)
    await quiet()
    expect(calls.map(({ payload }) => payload)).toEqual([
      {
        chat_id: -1001000000001,
        text: 'Slow down, please. Try again in 1m.',
        parse_mode: '',
        message_thread_id: 5,
        disable_notification: true,
        ephemeral_message_parameters: { receiver_user_id: 8 },
      },
    ])
  })

  test('a checkout of a blocked user is declined with a text, and a failing call is only reported', async () => {
    const { guard, telegram, handle, quiet, reached } = desk()
    const told: unknown[] = []
    guard.on('error', ({ during }) => told.push(during))
    telegram.faults.next('*', { drop: true, times: Number.POSITIVE_INFINITY })
    await guard.block(ALICE)
    await handle({
      update_id: nextId(),
      pre_checkout_query: {
        id: '1',
        from: user(ALICE),
        currency: 'XTR',
        total_amount: 1,
        invoice_payload: 'x',
      },
    })
    await quiet()
    expect(reached).toEqual([])
    expect(told).toEqual(['decline'])
  })
})

describe('a checkout is declined with a text even if the text of the notice is empty', () => {
  test.each<[string, SentinelOptions['notices'], string]>([
    ['of this language', { texts: { ru: { blocked: '' } } }, 'Вы не можете пользоваться этим ботом.'],
    ['of another', { texts: { ru: { blocked: 'Нет.' } } }, 'Нет.'],
    ['that a translation gives', { t: () => ' ' }, 'Вы не можете пользоваться этим ботом.'],
  ])('%s', async (_, notices, word) => {
    const { guard, handle, calls, quiet } = desk({ notices })
    await guard.block(ALICE)
    const asked = { id: '1', from: user(ALICE, 'ru'), invoice_payload: 'x' }
    await handle({
      update_id: nextId(),
      pre_checkout_query: { ...asked, currency: 'XTR', total_amount: 1 },
    })
    const shipping_address = {
      country_code: 'DE',
      state: '',
      city: 'Bonn',
      street_line1: 'Markt 1',
      street_line2: '',
      post_code: '53111',
    }
    await handle({ update_id: nextId(), shipping_query: { ...asked, shipping_address } })
    await quiet()
    expect(calls.map(({ method, payload }) => [method, payload.error_message])).toEqual([
      ['answerPreCheckoutQuery', word],
      ['answerShippingQuery', word],
    ])
  })
})

describe('a notice that becomes due where none may be sent', () => {
  const SLOW = 'Slow down, please. Try again in 1m.'

  test('is sent once where the same user is next refused and can be reached', async () => {
    const { handle, says: say, time, notices, quiet } = desk({ throttle: '1/1h' })
    for (const text of ['1', 'chatter', 'more']) await handle(says(ALICE, text, { group: true }))
    await quiet()
    expect(notices).toEqual([])
    await say(ALICE, 'hello?', 'hello?')
    await quiet()
    expect(notices).toHaveLength(1)
    time.advance(60_000)
    await say(ALICE, 'hello?', 'hello?')
    await quiet()
    expect(notices).toHaveLength(2)
  })

  test('is sent for a command in the group, and for a tap', async () => {
    const { handle, calls, quiet } = desk({ throttle: '1/1m' })
    for (const from of [ALICE, 8]) {
      for (const text of ['1', 'chatter']) await handle(says(from, text, { group: true }))
    }
    await handle(says(ALICE, '/help', { group: true }))
    await handle(taps(8, 'buy'))
    await quiet()
    expect(calls.map(({ method, payload }) => [method, payload.text])).toEqual([
      ['sendMessage', SLOW],
      ['answerCallbackQuery', SLOW],
    ])
  })

  test('is owed to no other user, and by no other limit', async () => {
    const {
      handle,
      says: say,
      notices,
      quiet,
    } = desk({
      throttle: [
        { name: 'all', limit: '1/1m', on: ['message'], scope: 'global' },
        { name: 'commands', limit: '1/1h', commands: ['buy'] },
      ],
    })
    for (const text of ['1', 'chatter']) await handle(says(ALICE, text, { group: true }))
    await say(8, 'hello?')
    await quiet()
    expect(notices).toEqual([])
    await say(ALICE, 'hello?')
    await quiet()
    expect(notices).toEqual([SLOW])
  })

  test('stays owed after a change of options, and in a group that wants no notices', async () => {
    const {
      guard,
      handle,
      says: say,
      notices,
      quiet,
    } = desk({ throttle: '1/1h', settings: { notices: true } })
    await say(8, 'meets the bot')
    await guard.settings.set(-1001000000001, { notices: false })
    for (const text of ['1', '/help']) await handle(says(ALICE, text, { group: true }))
    await quiet()
    expect(notices).toEqual([])
    guard.reconfigure({ notices: { texts: { en: { limited: 'Easy.' } } } })
    await say(ALICE, 'hello?', 'hello?')
    await quiet()
    expect(notices).toEqual(['Easy.'])
  })

  test('is no longer owed after a checkout was declined with a text', async () => {
    const {
      handle,
      says: say,
      calls,
      notices,
      quiet,
    } = desk({
      throttle: { limit: '1/1h', on: ['message', 'checkout'] },
    })
    await say(ALICE, '1')
    await handle({
      update_id: nextId(),
      pre_checkout_query: {
        id: '1',
        from: user(ALICE),
        currency: 'XTR',
        total_amount: 1,
        invoice_payload: 'x',
      },
    })
    await say(ALICE, 'hello?')
    await quiet()
    expect(calls.map(({ method }) => method)).toEqual(['answerPreCheckoutQuery'])
    expect(notices).toEqual([])
  })
})

describe('behind a webhook that may be answered with a call, notices are separate calls', () => {
  const later = async ({ ctx }: { ctx: { reply(text: string): Promise<unknown> } }): Promise<void> => {
    await tick()
    await ctx.reply('Not now.')
  }

  test.each<[string, SentinelOptions, string]>([
    ['the default ones', {}, 'Slow down, please. Try again in 1m.'],
    ['with repeated calls after a 429', { outgoing: {} }, 'Slow down, please. Try again in 1m.'],
    ['those of a deny function', { throttle: { limit: '1/1m', on: ['message'], deny: later } }, 'Not now.'],
  ])('%s', async (_, options, notice) => {
    const calls: string[] = []
    const { account, config } = new Extras(Date.now, ({ method, payload }) =>
      calls.push(`${method} ${payload.text}`),
    ).hire(42)
    const client = { ...config.client, canUseWebhookReply: () => true }
    const bot = new Bot(account.token, { ...config, client })
    const guard = sentinel({ throttle: '1/1m', membership: false, ...options }).install(bot)
    const handle = webhookCallback(bot, 'std/http')
    const answers: string[] = []
    for (const update of [says(ALICE, 'one'), says(ALICE, 'two'), taps(8, 'buy'), taps(8, 'buy')]) {
      const answer = await handle(
        new Request('http://bot/', { method: 'POST', body: JSON.stringify(update) }),
      )
      answers.push(await answer.text())
    }
    await idle(guard)
    expect(answers).toEqual(['', '', '', ''])
    expect(calls.sort()).toEqual(['answerCallbackQuery undefined', `sendMessage ${notice}`])
    await guard.close()
  })
})
