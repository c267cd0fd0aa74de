import { subject } from '../../src/core/subject.js'
import { block } from '../../src/middleware/block.js'
import { compose } from '../../src/middleware/compose.js'
import { type Rig, rig, Stage } from './rig.js'

let on: Rig
afterEach(() => on.stop())

describe('block', () => {
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

  test('who is allowed is never refused, blocked or not', async () => {
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

  test('an allow list lets only those pass who are on it', async () => {
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

  test('a function is told of every update that is stopped, and when to say so: once in noticeEvery', async () => {
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

  test('noticeEvery is checked, and a minute unless told', async () => {
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
