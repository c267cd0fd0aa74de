import type { Chat } from 'grammy/types'
import type { Facts } from '../../src/core/facts.js'
import { type Subject, subject } from '../../src/core/subject.js'
import { compose } from '../../src/middleware/compose.js'
import { throttle } from '../../src/middleware/throttle.js'
import { sentinel } from '../../src/sentinel.js'
import { type Rig, rig, Stage } from './rig.js'

let on: Rig
afterEach(() => on.stop())

const stage = (): Stage => new Stage()

describe('throttle', () => {
  test('on its own admits as many as the limit, refuses the rest and sends one notice', async () => {
    on = await rig(throttle('3/1m'))
    on.start()
    for (const text of ['1', '2', '3', '4', '5']) await on.alice.to(on.account).sends(text)
    await on.alice.hears(/^Slow down, please\. Try again in 20s\.$/)
    await on.settled()
    expect(on.reached).toEqual(['1', '2', '3'])
    expect(on.telegram.calls('sendMessage')).toHaveLength(1)
  })

  test('sends notices in the language of the user', async () => {
    on = await rig(throttle('1/1m'))
    on.start()
    await on.bob.to(on.account).sends('1')
    await on.bob.to(on.account).sends('2')
    await on.bob.hears(/^Не так быстро\. Попробуйте снова через 1 мин\.$/)
  })

  test('counts each user separately', async () => {
    on = await rig(throttle('1/1m'))
    on.start()
    await on.alice.to(on.account).sends('alice')
    await on.bob.to(on.account).sends('bob')
    await on.settled()
    expect(on.reached).toEqual(['alice', 'bob'])
  })

  test('admits the next update exactly at the announced time', async () => {
    const time = stage()
    const retries: number[] = []
    const slow = throttle({ limit: '7/1m', deny: ({ verdict }) => retries.push(verdict.retryAfterMs) })
    on = await rig(compose(slow, { clock: time.clock, timers: time.timers }))
    on.start()
    for (let i = 0; i < 8; i++) await on.alice.to(on.account).sends(String(i))
    await on.settled()
    expect(retries).toEqual([8572])
    time.advance(8571)
    await on.alice.to(on.account).sends('too soon')
    await on.settled()
    time.advance(1)
    await on.alice.to(on.account).sends('in time')
    await on.settled()
    expect(on.reached.slice(7)).toEqual(['in time'])
    expect(retries).toEqual([8572, 1])
  })

  test('an album costs as much as one message, and is admitted or refused as a whole', async () => {
    on = await rig(throttle({ limit: '2/1m', deny: 'silent' }))
    on.start()
    const chat = on.alice.to(on.account)
    await chat.sendsAlbum(['one.jpg', 'two.jpg', 'three.jpg'])
    await chat.sends('one more')
    await chat.sendsAlbum(['four.jpg', 'five.jpg'])
    await on.settled()
    expect(on.reached).toEqual(['message', 'message', 'message', 'one more'])
  })

  test('edits have their own bucket', async () => {
    on = await rig(throttle({ limit: '1/1m', deny: 'silent' }))
    on.start()
    const chat = on.alice.to(on.account)
    const message = await chat.sends('hello')
    await chat.edits(message, 'hello!')
    await chat.edits(message, 'hello!!')
    await on.settled()
    expect(on.reached).toEqual(['hello', 'hello!'])
  })

  test('inline queries, one for each keystroke, have a bucket five times as large', async () => {
    on = await rig(throttle({ limit: '1/1m', deny: 'silent' }))
    on.start()
    await on.alice.to(on.account).sends('hello')
    for (const query of ['c', 'ca', 'cat', 'cats', 'cats ', 'cats i']) await on.alice.asks(on.account, query)
    await on.settled()
    expect(on.reached).toEqual(['hello', ...Array(5).fill('inline_query')])
  })

  test('never drops a payment', async () => {
    on = await rig(throttle({ limit: '1/1m', deny: 'silent' }), (bot) => {
      bot.on('pre_checkout_query', (ctx) => ctx.answerPreCheckoutQuery(true))
    })
    on.start()
    await on.alice.to(on.account).sends('hello')
    for (let i = 0; i < 3; i++) {
      const payment = await on.alice.pays(on.account, { payload: `order ${i}`, amount: 100 })
      await payment.receipt
    }
    await on.settled()
    expect(on.reached.filter((what) => what === 'pre_checkout_query')).toHaveLength(3)
    expect(on.reached.filter((what) => what === 'message')).toHaveLength(3)
  })

  test('answers a refused tap with the reason', async () => {
    on = await rig(throttle('1/1m'), (bot) => {
      bot.command('menu', (ctx) =>
        ctx.reply('menu', { reply_markup: { inline_keyboard: [[{ text: 'Buy', callback_data: 'buy' }]] } }),
      )
    })
    on.start()
    await on.alice.to(on.account).sends('/menu')
    const menu = await on.alice.hears('menu')
    const tap = await on.alice.to(on.account).taps(menu, 'Buy')
    expect((await tap.answer).text).toBe('Slow down, please. Try again in 1m.')
    expect(on.reached).toEqual(['/menu'])
  })

  test('sends no notice for messages in a group, and answers a command to the offender only', async () => {
    on = await rig(throttle('1/1m'))
    const group = on.telegram.createGroup({
      title: 'Plaza',
      owner: on.bob,
      members: [on.alice],
      admins: [on.account],
    })
    on.start()
    await on.alice.in(group).sends('1')
    await on.alice.in(group).sends('2')
    await on.settled()
    expect(on.telegram.calls('sendMessage')).toEqual([])
    await on.bob.in(group).sends('/one')
    await on.bob.in(group).sends('/two')
    await on.bob.hears(/Не так быстро/)
    expect(on.telegram.calls('sendMessage')[0]?.params).toMatchObject({
      ephemeral_message_parameters: { receiver_user_id: on.bob.id },
    })
    expect(on.alice.heard.some(({ text }) => text?.includes('Не так'))).toBe(false)
  })

  describe('scopes', () => {
    test('chat: everybody in a chat together', async () => {
      on = await rig(throttle({ limit: '2/1m', scope: 'chat', deny: 'silent' }))
      const group = on.telegram.createGroup({
        title: 'Plaza',
        owner: on.bob,
        members: [on.alice],
        admins: [on.account],
      })
      on.start()
      await on.alice.in(group).sends('1')
      await on.bob.in(group).sends('2')
      await on.alice.in(group).sends('3')
      await on.alice.to(on.account).sends('elsewhere')
      await on.settled()
      expect(on.reached).toEqual(['1', '2', 'elsewhere'])
    })

    test('member: a user in each chat separately', async () => {
      on = await rig(throttle({ limit: '1/1m', scope: 'member', deny: 'silent' }))
      const group = on.telegram.createGroup({
        title: 'Plaza',
        owner: on.bob,
        members: [on.alice],
        admins: [on.account],
      })
      on.start()
      await on.alice.in(group).sends('here')
      await on.alice.in(group).sends('here again')
      await on.alice.to(on.account).sends('there')
      await on.settled()
      expect(on.reached).toEqual(['here', 'there'])
    })

    test('command: each command of a user separately, and nothing else', async () => {
      on = await rig(throttle({ limit: '1/1m', scope: 'command', deny: 'silent' }))
      on.start()
      for (const text of ['/buy', '/sell', '/BUY now', 'talk', 'talk'])
        await on.alice.to(on.account).sends(text)
      await on.settled()
      expect(on.reached).toEqual(['/buy', '/sell', 'talk', 'talk'])
    })

    test('global: everybody together', async () => {
      on = await rig(throttle({ limit: '1/1m', scope: 'global', deny: 'silent' }))
      on.start()
      await on.alice.to(on.account).sends('1')
      await on.bob.to(on.account).sends('2')
      await on.settled()
      expect(on.reached).toEqual(['1'])
    })

    test('a custom key', async () => {
      const key = ({ actorId }: { actorId: number | undefined }): string => `tenant ${(actorId ?? 0) > 0}`
      on = await rig(throttle({ name: 'tenant', key, limit: '1/1m', deny: 'silent' }))
      on.start()
      await on.alice.to(on.account).sends('1')
      await on.bob.to(on.account).sends('2')
      await on.settled()
      expect(on.reached).toEqual(['1'])
    })

    test("anonymous administrators of two groups and a channel never share a user's bucket", async () => {
      on = await rig(throttle({ limit: '1/1m', deny: 'silent' }))
      const one = on.telegram.createGroup({ title: 'One', owner: on.alice, admins: [on.account] })
      const two = on.telegram.createGroup({ title: 'Two', owner: on.alice, admins: [on.account] })
      const channel = on.telegram.createChannel({ title: 'News', owner: on.alice })
      on.start()
      await on.alice.in(one).anonymously().sends('one')
      await on.alice.in(two).anonymously().sends('two')
      await on.alice.in(one).as(channel).sends('channel')
      await on.alice.in(one).sends('alice')
      await on.alice.in(one).anonymously().sends('one again')
      await on.settled()
      expect(on.reached).toEqual(['one', 'two', 'channel', 'alice'])
    })
  })

  describe('joins', () => {
    const group = { id: -1001000000001, type: 'supergroup', title: 'Plaza' } as const
    const person = (id: number) => ({ id, is_bot: false, first_name: `User ${id}` })
    const change = (
      by: number,
      whom: number,
      status: 'member' | 'left',
      chat: Chat.SupergroupChat = group,
    ) => ({
      chat,
      from: person(by),
      date: 1_767_225_600,
      old_chat_member: { status: status === 'left' ? 'member' : 'left', user: person(whom) } as const,
      new_chat_member: { status, user: person(whom) },
    })

    test.each(['user', 'member'] as const)(
      'of fifty people whom one administrator adds reach the handlers, by %s',
      async (scope) => {
        on = await rig(throttle({ limit: '2/1m', scope }))
        on.start()
        for (let i = 1; i <= 50; i++)
          on.telegram.deliver(on.account, { chat_member: change(7, 1000 + i, 'member') })
        await on.settled()
        expect(on.reached).toHaveLength(50)
      },
    )

    test.each(['user', 'member'] as const)(
      'of a user who joins and leaves a hundred times are limited, by %s',
      async (scope) => {
        on = await rig(throttle({ limit: '5/1h', scope }))
        on.start()
        for (let i = 0; i < 100; i++) {
          // Added by several administrators, or leaving by themselves.
          const update = i % 2 === 0 ? change(100 + i, 8, 'member') : change(8, 8, 'left')
          on.telegram.deliver(on.account, { chat_member: update })
        }
        await on.settled()
        expect(on.reached).toHaveLength(5)
      },
    )

    test('of the bot itself are counted by the user who acts: users who block it are no flood', async () => {
      on = await rig(throttle('2/1m'))
      on.start()
      const blocks = (by: number) =>
        on.telegram.deliver(on.account, {
          my_chat_member: { ...change(by, on.account.id, 'left'), chat: { ...person(by), type: 'private' } },
        })
      for (let i = 1; i <= 20; i++) blocks(1000 + i)
      for (let i = 1; i <= 20; i++) blocks(7)
      await on.settled()
      expect(on.reached).toHaveLength(22)
    })

    test('in one chat use up nothing of what the user has in another', async () => {
      on = await rig(throttle({ limit: '2/1m' }))
      on.start()
      const trap = { ...group, id: -1001000000002, title: 'Trap' }
      for (let i = 0; i < 20; i++)
        on.telegram.deliver(on.account, {
          chat_member: change(666, 8, i % 2 === 0 ? 'left' : 'member', trap),
        })
      on.telegram.deliver(on.account, { chat_member: change(8, 8, 'member') })
      // Nor is the user charged elsewhere for what others do.
      const request = { chat: group, from: person(8), user_chat_id: 8, date: 1_767_225_600 }
      on.telegram.deliver(on.account, { chat_join_request: request })
      const adds = { ...change(8, on.account.id, 'member'), chat: { ...group, id: -1001000000003 } }
      on.telegram.deliver(on.account, { my_chat_member: adds })
      await on.settled()
      expect(on.reached).toHaveLength(2 + 3)
    })

    test('can be inspected and reset as limits of the user who joined, in the chat', async () => {
      const guard = sentinel({ throttle: '2/1m', clock: stage().clock })
      on = await rig(guard)
      on.start()
      for (let i = 0; i < 3; i++) on.telegram.deliver(on.account, { chat_member: change(7, 8, 'member') })
      await on.settled()
      const member = subject.member(8, group.id)
      const left = async (whom: Subject) => (await guard.peek(whom, 'user.joins'))[0]?.remaining
      expect([await left(7), await left(8), await left(member)]).toEqual([2, 2, 0])
      await guard.reset(member, 'user.joins')
      expect(await left(member)).toBe(2)
    })
  })

  test('with several limits, the first that is exceeded refuses, and none is charged', async () => {
    const hour = throttle({ name: 'hour', limit: '3/1h', deny: 'silent', on: ['message'] })
    const time = stage()
    on = await rig(compose(throttle({ limit: '2/1m', deny: 'silent' }), hour, { clock: time.clock }))
    on.start()
    const chat = on.alice.to(on.account)
    for (const text of ['1', '2', 'over']) await chat.sends(text)
    await on.settled()
    time.advance(60_000)
    for (const text of ['3', 'over the hour']) await chat.sends(text)
    await on.settled()
    expect(on.reached).toEqual(['1', '2', '3'])
  })

  test('commands in posts of a channel are counted, the posts are not', async () => {
    on = await rig(throttle({ limit: '2/1m', deny: 'silent' }))
    const channel = on.telegram.createChannel({ title: 'News', owner: on.alice, admins: [on.account] })
    on.start()
    for (const text of ['/report 1', 'news', '/report 2', '/report 3', 'more news']) {
      await on.alice.in(channel).posts(text)
    }
    await on.settled()
    expect(on.reached).toEqual(['/report 1', 'news', '/report 2', 'more news'])
  })

  test('costs: fractions and functions', async () => {
    const cost = ({ command }: { command: string | undefined }): number => (command === 'heavy' ? 1.5 : 0.5)
    on = await rig(throttle({ limit: '2/1m', cost, deny: 'silent' }))
    on.start()
    for (const text of ['/heavy', 'light', 'light']) await on.alice.to(on.account).sends(text)
    await on.settled()
    expect(on.reached).toEqual(['/heavy', 'light'])
  })

  test('an invalid cost is reported, and counts as one', async () => {
    const told: unknown[] = []
    const { error } = console
    console.error = (...args: unknown[]) => told.push(args)
    try {
      on = await rig(throttle({ limit: '1/1m', cost: () => Number.NaN, deny: 'silent' }))
      on.start()
      await on.alice.to(on.account).sends('1')
      await on.alice.to(on.account).sends('2')
      await on.settled()
    } finally {
      console.error = error
    }
    expect(on.reached).toEqual(['1'])
    expect(String(told)).toContain('throttle.cost: NaN is not a cost')
  })

  test('limits per user by function', async () => {
    const vip = new Set<number | undefined>()
    on = await rig(throttle({ limit: ({ actorId }) => (vip.has(actorId) ? '3/1m' : '1/1m'), deny: 'silent' }))
    vip.add(on.alice.id)
    on.start()
    for (let i = 0; i < 4; i++) {
      await on.alice.to(on.account).sends(`alice ${i}`)
      await on.bob.to(on.account).sends(`bob ${i}`)
    }
    await on.settled()
    expect(on.reached).toEqual(['alice 0', 'bob 0', 'alice 1', 'alice 2'])
  })

  test('a limit function may exceed otherwise, which holds if it returns nothing', async () => {
    const limit = ({ command }: Facts): '3/1m' | undefined => (command === 'go' ? '3/1m' : undefined)
    on = await rig(throttle({ limit, otherwise: '1/1m', deny: 'silent' }))
    on.start()
    for (const text of ['/go 1', '/go 2', '/go 3', '/go 4']) await on.alice.to(on.account).sends(text)
    for (const text of ['1', '2']) await on.bob.to(on.account).sends(text)
    await on.settled()
    expect(on.reached).toEqual(['/go 1', '/go 2', '/go 3', '1'])
  })

  test('an exact window stores as many timestamps as otherwise allows, whatever the function returns', async () => {
    const log = throttle({ limit: () => '5/1m', otherwise: '2/1m', algorithm: 'sliding', deny: 'silent' })
    on = await rig(log)
    on.start()
    for (const text of ['1', '2', '3']) await on.alice.to(on.account).sends(text)
    await on.settled()
    expect(on.reached).toEqual(['1', '2'])
  })

  test('penalties escalate: a user who keeps violating is banned for longer each time', async () => {
    const time = stage()
    const told: string[] = []
    const limit = throttle({
      limit: '1/10s',
      penalty: { after: 2, within: '1m', bans: ['1m', '5m'] },
      deny: ({ verdict }) => told.push(`${verdict.reason} ${verdict.retryAfterMs}`),
    })
    on = await rig(compose(limit, { clock: time.clock }))
    on.start()
    const says = async (text: string): Promise<void> => {
      await on.alice.to(on.account).sends(text)
      await on.settled()
    }
    for (const text of ['ok', 'no', 'no', 'banned']) await says(text)
    time.advance(60_000)
    for (const text of ['ok again', 'no', 'no', 'banned longer']) await says(text)
    expect(on.reached).toEqual(['ok', 'ok again'])
    expect(told.filter((line) => line.startsWith('penalised'))).toEqual([
      'penalised 60000',
      'penalised 300000',
    ])
  })

  test.each([
    ['sliding', '3/10s'],
    ['sliding-counters', '3/10s'],
    ['fixed', '3/10s'],
  ] as const)(
    'algorithm %s refuses the fourth update and admits it at the announced time',
    async (algorithm, limit) => {
      const time = stage()
      const waits: number[] = []
      const slow = throttle({ limit, algorithm, deny: ({ verdict }) => waits.push(verdict.retryAfterMs) })
      on = await rig(compose(slow, { clock: time.clock }))
      on.start()
      for (const text of ['1', '2', '3', '4']) await on.alice.to(on.account).sends(text)
      await on.settled()
      expect(waits).toHaveLength(1)
      time.advance((waits[0] as number) - 1)
      await on.alice.to(on.account).sends('too soon')
      await on.settled()
      time.advance(1)
      await on.alice.to(on.account).sends('5')
      await on.settled()
      expect(on.reached).toEqual(['1', '2', '3', '5'])
    },
  )

  test('in shadow it refuses nobody', async () => {
    on = await rig(throttle({ limit: '1/1m', shadow: true }))
    on.start()
    for (const text of ['1', '2', '3']) await on.alice.to(on.account).sends(text)
    await on.settled()
    expect(on.reached).toEqual(['1', '2', '3'])
  })
})
