import { setTimeout } from 'node:timers/promises'
import { jest } from '@jest/globals'
import { Bot } from 'grammy'
import { until } from '../servers/until.js'
import { account, alice, client, face, onStage, telegram } from './stage.js'

onStage()

test('an update after a gap comes although its time is over just when the timer is set', async () => {
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account] })
  const bot = new Bot(account.token, account.config)
  const heard: string[] = []
  bot.on('message:text', (ctx) => void heard.push(ctx.message.text))
  await client().bridge(bot)
  await alice.in(plaza).sends('first')
  await until('the first was heard', () => heard.length === 1)

  // mtcute postpones the third message for half a second. The clock stands still until then, so that the time is not over when
  // mtcute compares it, and is over when mtcute sets the timer again.
  const time = performance.now.bind(performance)
  const start = time()
  let isOver = false
  const clock = jest.spyOn(performance, 'now').mockImplementation(() => {
    const now = time()
    if (isOver || now - start < 490) return isOver ? now : start
    isOver = new Error('where').stack?.includes('emitBefore') === true
    return isOver ? Math.max(now, start + 501) : start + 499
  })
  try {
    face.deliverBy(() => undefined)
    await alice.in(plaza).sends('second')
    face.deliverBy((send) => send())
    await alice.in(plaza).sends('third')
    await until('all were heard', () => heard.length === 3)
    expect(isOver).toBe(true)
  } finally {
    clock.mockRestore()
  }
  expect(heard).toEqual(['first', 'second', 'third'])
})

test('updates after gaps in two groups come without any other update', async () => {
  const groups = ['Plaza', 'Market'].map((title) =>
    telegram.createGroup({ title, owner: alice, admins: [account] }),
  )
  const bot = new Bot(account.token, account.config)
  const heard: string[] = []
  bot.on('message:text', (ctx) => void heard.push(`${ctx.chat.title} ${ctx.message.text}`))
  await client().bridge(bot)
  for (const group of groups) await alice.in(group).sends('first')
  await until('the first were heard', () => heard.length === 2)
  for (let round = 1; round <= 4; round++) {
    for (const group of groups) {
      face.deliverBy(() => undefined)
      await alice.in(group).sends('lost')
      face.deliverBy((send) => send())
      await alice.in(group).sends('next')
      // The second is due later than the first, and while its gap is fetched.
      await setTimeout(20)
    }
    await until('all were heard', () => heard.length === 2 + 4 * round)
  }
  const of = (title: string) =>
    heard.filter((text) => text.startsWith(title)).map((text) => text.split(' ')[1])
  const expected = ['first', ...Array.from({ length: 4 }, () => ['lost', 'next']).flat()]
  expect([of('Plaza'), of('Market')]).toEqual([expected, expected])
}, 30_000)

test('a bot that is banned while an update waits goes on with others', async () => {
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account] })
  const bot = new Bot(account.token, account.config)
  const heard: string[] = []
  bot.on('message:text', (ctx) => void heard.push(ctx.message.text))
  await client().bridge(bot)
  await alice.in(plaza).sends('first')
  await until('the first was heard', () => heard.length === 1)
  face.deliverBy(() => undefined)
  await alice.in(plaza).sends('lost')
  face.deliverBy((send) => send())
  await alice.in(plaza).sends('waits')
  face.deliverBy(() => undefined)
  for (const text of ['lost', 'too']) await alice.in(plaza).sends(text)
  face.deliverBy((send) => send())
  // After so large a gap mtcute asks at once, is refused, and forgets the position of the group.
  await alice.in(plaza).sends('after a large gap')
  face.deliverBy(() => undefined)
  await alice.in(plaza).bans(account)
  face.deliverBy((send) => send())
  await until('it was refused', () => face.calls('updates.getChannelDifference') > 0)
  await setTimeout(600)
  await alice.to(account).sends('still there?')
  await until('the question was heard', () => heard.includes('still there?'))
  expect(heard).toEqual(['first', 'still there?'])
})

test('the second numbered update of a new session is no gap', async () => {
  const bot = new Bot(account.token, account.config)
  const told: string[] = []
  bot.on('my_chat_member', (ctx) => void told.push(ctx.myChatMember.new_chat_member.status))
  bot.on('message', () => void told.push('message'))
  await client().bridge(bot)
  // When this comes, the client has asked what it missed before.
  await alice.to(account).sends('/start')
  await until('the message was told', () => told.length === 1)
  await alice.blocks(account)
  await until('the first was told', () => told.length === 2)
  const before = face.calls('updates.getDifference')
  await alice.unblocks(account)
  await until('the second was told', () => told.length === 3)
  expect(told).toEqual(['message', 'kicked', 'member'])
  expect(face.calls('updates.getDifference')).toBe(before)
})
