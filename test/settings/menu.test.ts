import type { Message } from 'grammy/types'
import { type Sentinel, type SentinelOptions, type SettingsChangedEvent, sentinel } from '../../src/index.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import type { TelegramGroup } from '../../src/telegram/index.js'
import { type GuardedContext, type Rig, rig, Stage } from '../middleware/rig.js'
import { idle, later, tick } from '../sentinel/desk.js'
import { settled } from '../storage/outage.js'

const SETTINGS: SentinelOptions = {
  throttle: { limit: '20/1m', on: ['message'] },
  debounce: false,
  settings: { throttle: { min: '2/1m', max: '60/1m', choices: ['2/1m', '20/1m', '60/1m'] }, notices: true },
}

let at: Rig
let guard: Sentinel<GuardedContext>
let plaza: TelegramGroup
let changes: string[]
let failures: unknown[]

/** A bot in a group that Alice owns and of which Bob is a member. */
async function open(
  options: SentinelOptions = SETTINGS,
  handlers?: Parameters<typeof rig>[1],
): Promise<void> {
  guard = sentinel<GuardedContext>(options)
  changes = []
  failures = []
  guard.on('settings.changed', ({ setting, before, after, by }: SettingsChangedEvent) => {
    changes.push(`${setting}: ${before ?? 'usual'} → ${after ?? 'usual'} by ${by.replace(/-?\d+/, '…')}`)
  })
  guard.on('error', ({ during, error }) => failures.push(during, error))
  at = await rig(guard, handlers)
  plaza = at.telegram.createGroup({
    title: 'Plaza',
    owner: at.alice,
    members: [at.bob],
    admins: [at.account],
  })
  at.start()
}

afterEach(async () => {
  await at.stop()
  await guard.close()
  expect(failures).toEqual([])
})

/** Opens the menu, as Alice sees it. */
async function menuFor(who = at.alice): Promise<Message> {
  await who.in(plaza).sends('/sentinel')
  return who.hears(/^(Settings of this chat|Настройки)/)
}

const buttonsOf = (message: Message): string[] =>
  message.reply_markup?.inline_keyboard.flat().map(({ text }) => text) ?? []

/** The menu after all edits. A tap is answered before the menu is edited. */
async function shown(): Promise<{ text: string; buttons: string[] }> {
  await quiet()
  const edit = at.telegram.calls('editMessageText').at(-1)
  if (edit === undefined) throw new Error('no menu was drawn anew')
  const { text, reply_markup: markup } = edit.params as {
    text: string
    reply_markup?: string | { inline_keyboard: { text: string }[][] }
  }
  const read =
    typeof markup === 'string' ? (JSON.parse(markup) as { inline_keyboard: { text: string }[][] }) : markup
  return { text, buttons: read?.inline_keyboard.flat().map((button) => button.text) ?? [] }
}

const quiet = (): Promise<void> => idle(guard)

describe('the menu of /sentinel', () => {
  test('shows a setting, changes it, and reports the change', async () => {
    await open()
    const menu = await menuFor()
    expect(menu.text).toBe('Settings of this chat\n\nMessages of one person: 20/1m (as usual)\nNotices: on')
    expect(buttonsOf(menu)).toEqual(['2/1m', '20/1m', '60/1m', '• As usual', 'Turn notices off', 'Close'])
    const tap = await at.alice.in(plaza).taps(menu, '2/1m')
    expect(await tap.answer).toMatchObject({ text: 'Saved.', show_alert: false })
    expect((await shown()).text).toContain('Messages of one person: 2/1m\n')
    expect((await shown()).buttons.slice(0, 4)).toEqual(['• 2/1m', '20/1m', '60/1m', 'As usual'])
    expect(changes).toEqual(['throttle.user: usual → 2/1m by u…'])
    for (let nth = 0; nth < 5; nth++) await at.bob.in(plaza).sends(`hello ${nth}`)
    await at.settled()
    expect(at.reached.filter((text) => text.startsWith('hello'))).toHaveLength(2)
    // The command of the menu reached no handler.
    expect(at.reached).not.toContain('/sentinel')
  })

  test('ignores the same choice twice, and can undo it', async () => {
    await open()
    const menu = await menuFor()
    for (const [button, said] of [
      ['60/1m', 'Saved.'],
      ['• 60/1m', 'It is so already.'],
      ['As usual', 'Saved.'],
      ['• As usual', 'It is so already.'],
      ['Turn notices off', 'Saved.'],
    ] as const) {
      const tap = await at.alice.in(plaza).taps(menu, button)
      expect([button, (await tap.answer).text]).toEqual([button, said])
      await quiet()
    }
    expect(changes).toEqual([
      'throttle.user: usual → 60/1m by u…',
      'throttle.user: 60/1m → usual by u…',
      'notices: true → false by u…',
    ])
    const closing = await at.alice.in(plaza).taps(menu, 'Close')
    await closing.answer
    expect(await shown()).toEqual({ text: 'The settings are closed.', buttons: [] })
  })

  test('shows the value in force if two taps arrive at once', async () => {
    const kept = later()
    let stage = 'open'
    let goOn = (): void => undefined
    const storage: Storage = {
      ...kept,
      marks: {
        ...kept.marks,
        // The first tap reads the settings, and then takes its time.
        async of(...asked) {
          const held = await kept.marks.of(...asked)
          if (stage === 'first') {
            await new Promise<void>((done) => {
              goOn = done
              stage = 'read'
            })
          }
          return held
        },
      },
    }
    await open({ ...SETTINGS, storage })
    const menu = await menuFor()
    const edits = () => at.telegram.calls('editMessageText').length
    stage = 'first'
    const first = await at.alice.in(plaza).taps(menu, '2/1m')
    while (stage !== 'read') await tick()
    const second = await at.alice.in(plaza).taps(menu, '60/1m')
    for (let nth = 0; nth < 100 && edits() === 0; nth++) await tick()
    goOn()
    expect([(await first.answer).text, (await second.answer).text]).toEqual(['Saved.', 'Saved.'])
    expect((await guard.settings.of(plaza.id)).limits.get('user')).toBe('60/1m')
    expect((await shown()).text).toContain('60/1m')
    expect(changes).toEqual(['throttle.user: usual → 2/1m by u…', 'throttle.user: 2/1m → 60/1m by u…'])
  })

  test('cuts an answer that is too long between characters', async () => {
    await open({
      ...SETTINGS,
      settings: { ...SETTINGS.settings, texts: { en: { saved: `${'a'.repeat(199)}😀` } } },
    })
    const tap = await at.alice.in(plaza).taps(await menuFor(), '2/1m')
    expect((await tap.answer).text).toBe('a'.repeat(199))
  })

  test('sends no notices in a chat that has turned them off', async () => {
    await open({
      ...SETTINGS,
      throttle: { limit: '1/1h', on: ['message'], noticeEvery: '1ms' },
      exempt: { chatAdmins: true },
    })
    const plea = async (): Promise<number> => {
      await at.bob.in(plaza).sends('/help')
      await at.settled()
      await quiet()
      return at.telegram
        .calls('sendMessage')
        .filter(({ params }) => String(params.text).includes('Попробуйте')).length
    }
    await plea()
    expect(await plea()).toBe(1)
    await guard.settings.set(plaza.id, { notices: false })
    expect(await plea()).toBe(1)
    await guard.settings.set(plaza.id, { notices: true })
    expect(await plea()).toBe(2)
  })

  test('is for administrators of the chat only', async () => {
    await open()
    const menu = await menuFor()
    const tap = await at.bob.in(plaza).taps(menu, '60/1m')
    expect(await tap.answer).toEqual(
      expect.objectContaining({
        text: 'Менять настройки могут только администраторы этого чата.',
        show_alert: true,
      }),
    )
    expect(changes).toEqual([])
    expect(at.telegram.calls('editMessageText')).toHaveLength(0)
    const before = at.alice.heard.length
    await at.bob.in(plaza).sends('/sentinel')
    // The answer is visible only to Bob, not to the group.
    await at.bob.hears(/^Менять/)
    expect(at.alice.heard.slice(before).filter(({ from }) => from?.is_bot)).toEqual([])
    expect(at.telegram.calls('sendMessage').at(-1)?.params).toMatchObject({
      text: 'Менять настройки могут только администраторы этого чата.',
      ephemeral_message_parameters: expect.anything(),
    })
  })

  test('follows promotions and demotions at once', async () => {
    await open()
    await at.alice.in(plaza).promotes(at.bob, { can_manage_chat: true })
    const menu = await menuFor(at.bob)
    expect(menu.text).toMatch(/^Настройки этого чата/)
    expect((await (await at.bob.in(plaza).taps(menu, '60/1m')).answer).text).toBe('Сохранено.')
    await at.alice.in(plaza).demotes(at.bob)
    const tap = await at.bob.in(plaza).taps(menu, '2/1m')
    expect((await tap.answer).show_alert).toBe(true)
    expect(changes).toEqual(['throttle.user: usual → 60/1m by u…'])
  })

  test('opens for anonymous administrators, who tap as themselves', async () => {
    await open()
    await at.alice.in(plaza).anonymously().sends('/sentinel')
    const menu = await at.alice.hears(/^Settings/)
    expect((await (await at.alice.in(plaza).taps(menu, '2/1m')).answer).text).toBe('Saved.')
    expect((await (await at.bob.in(plaza).taps(menu, '60/1m')).answer).show_alert).toBe(true)
    expect(changes).toEqual(['throttle.user: usual → 2/1m by u…'])
  })

  test('changes the chat in which it is tapped, and no other', async () => {
    await open()
    const den = at.telegram.createGroup({
      title: 'Den',
      owner: at.bob,
      members: [at.alice],
      admins: [at.account],
    })
    await at.bob.in(den).sends('/sentinel')
    const menu = await at.bob.hears(/^Настройки/, { in: den })
    expect((await (await at.bob.in(den).taps(menu, '60/1m')).answer).text).toBe('Сохранено.')
    // Alice owns the other group, not this one.
    expect((await (await at.alice.in(den).taps(menu, '2/1m')).answer).show_alert).toBe(true)
    expect((await guard.settings.of(den.id)).limits).toEqual(new Map([['user', '60/1m']]))
    expect((await guard.settings.of(plaza.id)).limits).toEqual(new Map())
  })

  test('answers in private chats that only groups have settings', async () => {
    await open()
    await at.alice.to(at.account).sends('/sentinel')
    await at.alice.hears('Groups have settings. Ask for them there.')
  })

  test('refuses forged choices, and choices no longer offered', async () => {
    const forged = ['sentinel:l:0:2s.1ajk', 'sentinel:l:__proto__:-', 'sentinel:l:a:-0']
    await open(SETTINGS, (bot) => {
      bot.command('forge', (ctx) =>
        ctx.reply('forged', {
          reply_markup: { inline_keyboard: forged.map((data) => [{ text: data, callback_data: data }]) },
        }),
      )
    })
    for (const data of forged) {
      const asking = await at.alice.in(plaza).sends('/forge')
      const message = await at.alice.hears('forged', { after: asking })
      const tap = await at.alice.in(plaza).taps(message, data)
      expect([data, await tap.answer]).toEqual([
        data,
        expect.objectContaining({ text: 'That is no longer offered. Choose again.', show_alert: true }),
      ])
    }
    expect(changes).toEqual([])
    const menu = await menuFor()
    // An old menu may offer choices that are no longer valid.
    guard.reconfigure({
      settings: { throttle: { min: '2/1m', max: '30/1m', choices: ['2/1m', '30/1m'] }, notices: false },
    })
    const tap = await at.alice.in(plaza).taps(menu, '60/1m')
    expect((await tap.answer).text).toBe('That is no longer offered. Choose again.')
    // It shows the current choices.
    expect((await shown()).buttons).toEqual(['2/1m', '30/1m', '• As usual', 'Close'])
    expect(changes).toEqual([])
  })

  test('keeps a choice even if its message was deleted', async () => {
    await open()
    const menu = await menuFor()
    await at.bot.api.deleteMessage(plaza.id, menu.message_id)
    const tap = await at.alice
      .in(plaza)
      .taps(menu, '2/1m')
      .catch(() => undefined)
    if (tap === undefined) return
    expect((await tap.answer).text).toBe('Saved.')
    expect(changes).toHaveLength(1)
  })

  test('says that a choice is saved, although Telegram limits edits of the menu', async () => {
    await open()
    const menu = await menuFor()
    at.bot.api.config.use((prev, method, payload, signal) =>
      method === 'editMessageText'
        ? Promise.resolve({ ok: false, error_code: 429, description: 'Too Many Requests: retry after 20' })
        : prev(method, payload, signal),
    )
    const tap = await at.alice.in(plaza).taps(menu, '2/1m')
    expect(await tap.answer).toMatchObject({ text: 'Saved.', show_alert: false })
    await quiet()
    expect(failures.splice(0)).toEqual(['settings.menu', expect.objectContaining({ error_code: 429 })])
    expect(changes).toHaveLength(1)
  })

  test('answers every tap, although an edit of the menu hangs', async () => {
    const time = new Stage()
    await open({ ...SETTINGS, clock: time.clock, timers: time.timers })
    const menu = await menuFor()
    let hangs = true
    at.bot.api.config.use((prev, method, payload, signal) =>
      method === 'editMessageText' && hangs ? new Promise(() => undefined) : prev(method, payload, signal),
    )
    for (const choice of ['2/1m', '60/1m', '2/1m']) {
      const tap = await at.alice.in(plaza).taps(menu, choice)
      expect((await tap.answer).text).toBe('Saved.')
    }
    hangs = false
    await settled()
    time.advance(10_000)
    await quiet()
    expect(failures.splice(0)).toEqual([
      'settings.menu',
      expect.objectContaining({ code: 'callback.timeout', message: expect.stringContaining('10000 ms') }),
    ])
    expect((await shown()).buttons[0]).toBe('• 2/1m')
  })

  test('abandons an edit that takes too long, so that it does not show an earlier state later', async () => {
    const time = new Stage()
    await open({ ...SETTINGS, clock: time.clock, timers: time.timers })
    const menu = await menuFor()
    let retry: (() => void) | undefined
    // As plugins do that repeat a call after a 429.
    at.bot.api.config.use(async (prev, method, payload, signal) => {
      if (method === 'editMessageText' && retry === undefined) {
        await new Promise<void>((done) => {
          retry = done
        })
        if (signal?.aborted === true) throw new Error('aborted')
      }
      return prev(method, payload, signal)
    })
    const first = await at.alice.in(plaza).taps(menu, '2/1m')
    await first.answer
    await settled()
    time.advance(10_000)
    const second = await at.alice.in(plaza).taps(menu, '60/1m')
    await second.answer
    expect((await shown()).text).toContain('60/1m')
    retry?.()
    await settled()
    expect((await shown()).text).toContain('60/1m')
    expect(failures.splice(0)).toEqual([
      'settings.menu',
      expect.objectContaining({ code: 'callback.timeout' }),
    ])
  })

  test('stays closed, although an earlier edit takes its time', async () => {
    await open()
    const menu = await menuFor()
    let goOn = (): void => undefined
    const waiting = new Promise<void>((done) => {
      goOn = done
    })
    let edits = 0
    at.bot.api.config.use(async (prev, method, payload, signal) => {
      if (method === 'editMessageText' && ++edits === 1) await waiting
      return prev(method, payload, signal)
    })
    await (await at.alice.in(plaza).taps(menu, '2/1m')).answer
    const closing = await at.alice.in(plaza).taps(menu, 'Close')
    expect((await closing.answer).text).toBe('The settings are closed.')
    goOn()
    expect(await shown()).toEqual({ text: 'The settings are closed.', buttons: [] })
  })

  test.each([
    ['60/1m', /60\/1m/],
    ['Close', /^The settings are closed\.$/],
  ])(
    'does what the last tap says (%s), although Telegram tells the administrators late for the first',
    async (last, left) => {
      await open()
      const menu = await menuFor()
      let goOn = (): void => undefined
      const waiting = new Promise<void>((done) => {
        goOn = done
      })
      let asked = 0
      at.bot.api.config.use(async (prev, method, payload, signal) => {
        const isFirst = method === 'getChatAdministrators' && ++asked === 1
        const answer = await prev(method, payload, signal)
        if (isFirst) await waiting
        return answer
      })
      const taps = [await at.alice.in(plaza).taps(menu, '2/1m'), await at.alice.in(plaza).taps(menu, last)]
      await at.settled()
      await settled()
      expect(asked).toBe(2)
      goOn()
      for (const { answer } of taps) await answer
      expect((await shown()).text).toMatch(left)
    },
  )

  test('is still being edited as background work when a tap cannot be answered', async () => {
    await open()
    const menu = await menuFor()
    let goOn = (): void => undefined
    const waiting = new Promise<void>((done) => {
      goOn = done
    })
    at.bot.api.config.use(async (prev, method, payload, signal) => {
      if (method === 'answerCallbackQuery')
        return { ok: false, error_code: 400, description: 'Bad Request: query is too old' }
      if (method === 'editMessageText') await waiting
      return prev(method, payload, signal)
    })
    await at.alice.in(plaza).taps(menu, '2/1m')
    while (changes.length === 0) await tick()
    for (let turn = 0; turn < 20; turn++) await tick()
    expect((await guard.health()).background.running).toBe(1)
    goOn()
    expect((await shown()).text).toContain('2/1m')
    expect(failures.splice(0)).toEqual(['settings.menu', expect.objectContaining({ error_code: 400 })])
  })

  test('ignores buttons whose data begin like its own', async () => {
    const others = [
      'settings:profile',
      'settings:l::',
      'settings:n:2',
      'settings:n:1:1',
      'settings:x:1',
      'settings:x\n',
      'settings:',
      'settings:l:a:b:c',
      'settings',
    ]
    const tapped: string[] = []
    await open({ ...SETTINGS, settings: { notices: true, command: 'settings' } }, (bot) => {
      const buttons = others.map((data) => [{ text: data, callback_data: data }])
      bot.command('mine', (ctx) => ctx.reply('mine', { reply_markup: { inline_keyboard: buttons } }))
      bot.callbackQuery(/^settings/, (ctx) => {
        tapped.push(ctx.callbackQuery.data)
        return ctx.answerCallbackQuery('Mine.')
      })
    })
    for (const place of [at.alice.to(at.account), at.alice.in(plaza)]) {
      const message = await at.alice.hears('mine', { after: await place.sends('/mine') })
      for (const data of others) expect((await (await place.taps(message, data)).answer).text).toBe('Mine.')
    }
    expect(tapped).toEqual([...others, ...others])
  })

  test('ignores other buttons', async () => {
    await open(SETTINGS, (bot) => {
      bot.command('ask', (ctx) =>
        ctx.reply('?', {
          reply_markup: { inline_keyboard: [[{ text: 'Yes', callback_data: 'sentinels' }]] },
        }),
      )
      bot.callbackQuery('sentinels', (ctx) => ctx.answerCallbackQuery('yes'))
    })
    await at.alice.in(plaza).sends('/ask')
    const tap = await at.alice.in(plaza).taps(await at.alice.hears('?'), 'Yes')
    expect((await tap.answer).text).toBe('yes')
  })

  test('uses custom texts and a custom command', async () => {
    await open({
      ...SETTINGS,
      policies: { uploads: { throttle: '5/1h' } },
      settings: {
        limits: { user: { min: '2/1m', max: '60/1m' }, uploads: { min: '1/1h', max: '9/1h' } },
        command: 'limits',
        texts: { en: { title: 'Services rules', uploads: 'x' } as never },
      },
    }).catch((error: unknown) => {
      expect(error).toMatchObject({ code: 'option.unknown' })
    })
    await open({
      ...SETTINGS,
      policies: { uploads: { throttle: '5/1h' } },
      settings: {
        limits: { user: { min: '2/1m', max: '60/1m' }, uploads: { min: '1/1h', max: '9/1h' } },
        command: 'limits',
        texts: { en: { title: 'Services rules' } },
        t: (_, text, { name }) => (text === 'limit' && name === 'uploads' ? 'Files: many' : undefined),
      },
    })
    await at.alice.in(plaza).sends('/limits')
    const menu = await at.alice.hears(/^Services rules/)
    expect(menu.text).toBe('Services rules\n\nMessages of one person: 20/1m (as usual)\nFiles: many')
    expect(buttonsOf(menu)).toContain('uploads: 3/1h')
    await (await at.alice.in(plaza).taps(menu, 'uploads: 3/1h')).answer
    expect(changes).toEqual(['throttle.uploads: usual → 3/1h by u…'])
  })
})
