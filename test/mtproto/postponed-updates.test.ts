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
