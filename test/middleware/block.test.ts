import { subject } from '../../src/core/subject.js'
import { block } from '../../src/middleware/block.js'
import { compose } from '../../src/middleware/compose.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { memory } from '../../src/storage/memory/memory.js'
import { type Desk, desk } from '../sentinel/desk.js'
import { type Rig, rig, Stage } from './rig.js'

describe('block', () => {
  let on: Rig
  afterEach(() => on.stop())

  test("a blocked user's updates reach nothing and get no message", async () => {
    on = await rig(undefined)
    on.bot.use(block({ list: [on.alice.id] }))
    const passed: string[] = []
    on.bot.on('message:text', (ctx) => {
      passed.push(ctx.message.text)
    })
    on.start()
    await on.alice.to(on.account).sends('let me in')
    await on.alice.asks(on.account, 'please')
    await on.bob.to(on.account).sends('hello')
    await on.settled()
    expect(passed).toEqual(['hello'])
    expect(on.telegram.calls('sendMessage')).toEqual([])
  })

  test('a tapped button gets the empty answer that stops its spinner', async () => {
    on = await rig(undefined)
    const menu = { reply_markup: { inline_keyboard: [[{ text: 'Buy', callback_data: 'buy' }]] } }
    on.bot.command('menu', (ctx) => ctx.reply('menu', menu))
    on.bot.use(block({ list: [on.alice.id] }))
    const bought: string[] = []
    on.bot.on('callback_query:data', (ctx) => {
      bought.push(ctx.callbackQuery.data)
    })
    on.start()
    await on.alice.to(on.account).sends('/menu')
    const tap = await on.alice.to(on.account).taps(await on.alice.hears('menu'), 'Buy')
    const answer = await tap.answer
    expect(answer.text).toBeUndefined()
    expect(bought).toEqual([])
  })

  test('a checkout is declined, and a payment already made still passes', async () => {
    on = await rig(undefined)
    on.bot.use(block({ list: [on.alice.id] }))
    const paid: string[] = []
    on.bot.on('message:successful_payment', (ctx) => {
      paid.push(ctx.message.successful_payment.invoice_payload)
    })
    on.start()
    const payment = await on.alice.pays(on.account, { payload: 'order', amount: 100 })
    expect(await payment.answer).toMatchObject({ ok: false, error_message: 'You cannot use this bot.' })
    on.telegram.deliver(on.account, {
      message: {
        message_id: 900,
        date: 1,
        chat: { id: on.alice.id, type: 'private', first_name: 'Alice' },
        from: { id: on.alice.id, is_bot: false, first_name: 'Alice' },
        successful_payment: {
          currency: 'XTR',
          total_amount: 100,
          invoice_payload: 'earlier order',
          telegram_payment_charge_id: 't',
          provider_payment_charge_id: 'p',
        },
      },
    })
    await on.settled()
    expect(paid).toEqual(['earlier order'])
  })

  test('a chat, and the channel that writes in it, are never confused', async () => {
    on = await rig(undefined)
    const channel = on.telegram.createChannel({ title: 'News', owner: on.alice, admins: [on.account] })
    const group = on.telegram.createGroup({
      title: 'Plaza',
      owner: on.alice,
      members: [on.bob],
      admins: [on.account],
    })
    on.bot.use(block({ list: [subject.sender(channel.id)] }))
    const passed: string[] = []
    on.bot.on('message:text', (ctx) => {
      passed.push(ctx.message.text)
    })
    on.start()
    await on.alice.in(group).as(channel).sends('ad')
    await on.alice.in(group).sends('I am myself')
    await on.bob.in(group).sends('hello')
    await on.settled()
    expect(passed).toEqual(['I am myself', 'hello'])
  })

  test('a blocked chat is silent for everybody in it', async () => {
    on = await rig(undefined)
    const group = on.telegram.createGroup({ title: 'Plaza', owner: on.alice, admins: [on.account] })
    on.bot.use(block({ list: [subject.chat(group.id)] }))
    const passed: string[] = []
    on.bot.on('message:text', (ctx) => {
      passed.push(ctx.message.text)
    })
    on.start()
    await on.alice.in(group).sends('here')
    await on.alice.to(on.account).sends('there')
    await on.settled()
    expect(passed).toEqual(['there'])
  })

  test('an allowed user is never refused, even if blocked', async () => {
    on = await rig(undefined)
    on.bot.use(block({ list: [on.alice.id, on.bob.id], allow: [on.alice.id] }))
    const passed: string[] = []
    on.bot.on('message:text', (ctx) => {
      passed.push(ctx.message.text)
    })
    on.start()
    await on.alice.to(on.account).sends('alice')
    await on.bob.to(on.account).sends('bob')
    await on.settled()
    expect(passed).toEqual(['alice'])
  })

  test('an allow list admits only its members', async () => {
    on = await rig(undefined)
    on.bot.use(compose(block({ allow: [on.alice.id], only: true })))
    const passed: string[] = []
    on.bot.on('message:text', (ctx) => {
      passed.push(ctx.message.text)
    })
    on.start()
    await on.alice.to(on.account).sends('alice')
    await on.bob.to(on.account).sends('bob')
    await on.settled()
    expect(passed).toEqual(['alice'])
  })

  test('a deny function is called for every refused update, with notice true once in noticeEvery', async () => {
    const time = new Stage()
    on = await rig(undefined)
    const told: boolean[] = []
    const list = [on.alice.id]
    const deny = ({ notice }: { notice: boolean }) => told.push(notice)
    on.bot.use(compose(block({ list, deny, noticeEvery: '10s' }), { clock: time.clock }))
    on.start()
    const say = async (text: string): Promise<void> => {
      await on.alice.to(on.account).sends(text)
      await on.settled()
    }
    for (const text of ['1', '2']) await say(text)
    time.advance(9_999)
    await say('3')
    time.advance(1)
    await say('4')
    expect(told).toEqual([true, false, false, true])
  })

  test('noticeEvery is checked, and a minute by default', async () => {
    const time = new Stage()
    expect(() => block({ noticeEvery: 'soon' as '1s' })).toThrow(/block\.noticeEvery: "soon"/)
    on = await rig(undefined)
    const told: boolean[] = []
    on.bot.use(
      compose(block({ list: [on.alice.id], deny: ({ notice }) => told.push(notice) }), { clock: time.clock }),
    )
    on.start()
    for (const wait of [0, 59_999, 1]) {
      time.advance(wait)
      await on.alice.to(on.account).sends('hello')
      await on.settled()
    }
    expect(told).toEqual([true, false, true])
  })
})

describe('why somebody is blocked', () => {
  const ALICE = 7

  async function notesOf(guarded: Desk): Promise<(string | undefined)[]> {
    const notes: (string | undefined)[] = []
    guarded.guard.on('denied', ({ verdict }) => notes.push(verdict.note))
    await guarded.says(ALICE, '1', '2')
    await guarded.quiet()
    return notes
  }

  test('is passed to listeners, for actors and for chats', async () => {
    const one = desk()
    await one.guard.block(ALICE, { reason: 'spam' })
    expect(await notesOf(one)).toEqual(['spam', 'spam'])
    const place = desk()
    await place.guard.block(subject.chat(ALICE), { reason: 'bad place' })
    expect(await notesOf(place)).toEqual(['bad place', 'bad place'])
    const none = desk()
    await none.guard.block(ALICE)
    expect(await notesOf(none)).toEqual([undefined, undefined])
  })

  test('is passed to a deny function', async () => {
    const notes: (string | undefined)[] = []
    const made = desk({ block: { deny: ({ verdict }) => notes.push(verdict.note) } })
    await made.guard.block(ALICE, { reason: 'spam' })
    await made.says(ALICE, '1')
    await made.quiet()
    expect(notes).toEqual(['spam'])
  })

  /** A storage whose marks are read by `get`, and the number of reads. */
  function counted(get: Storage['marks']['get']): { storage: Storage; asked: () => number } {
    const inner = memory()
    let asked = 0
    const marks: Storage['marks'] = {
      get: (...args) => {
        asked++
        return get(...args)
      },
      put: (...args) => inner.marks.put(...args),
      remove: (...args) => inner.marks.remove(...args),
      scan: (...args) => inner.marks.scan(...args),
      of: (...args) => inner.marks.of(...args),
    }
    const storage: Storage = {
      marks,
      users: inner.users,
      values: inner.values,
      sessions: (options) => inner.sessions(options),
      watch: (listener) => inner.watch(listener),
      prepare: (plan) => inner.prepare(plan),
      reset: (...args) => inner.reset(...args),
      health: () => inner.health(),
      close: () => inner.close(),
    }
    return { storage, asked: () => asked }
  }

  test('is not looked up if nobody reads it', async () => {
    const { storage, asked } = counted(() => undefined)
    const { guard, says, reached } = desk({ storage })
    await guard.block(ALICE)
    await says(ALICE, '1')
    expect([asked(), reached]).toEqual([0, []])
  })

  test('is looked up once, also if the storage answers later or fails', async () => {
    const { storage, asked } = counted(() => Promise.reject(new Error('away')))
    const made = desk({ storage })
    await made.guard.block(ALICE, { reason: 'spam' })
    expect(await notesOf(made)).toEqual([undefined, undefined])
    expect(asked()).toBe(1)
  })

  test('is omitted if the storage throws, and the error is reported', async () => {
    const { storage } = counted(() => {
      throw new Error('away')
    })
    const made = desk({ storage })
    const failed: string[] = []
    made.guard.on('error', ({ during }) => failed.push(during))
    await made.guard.block(ALICE, { reason: 'spam' })
    expect(await notesOf(made)).toEqual([undefined, undefined])
    expect(failed).toEqual(['storage.marks', 'storage.marks'])
  })
})
