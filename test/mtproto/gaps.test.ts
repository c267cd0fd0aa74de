import { Bot } from 'grammy'
import { randomOf } from '../fuzz-updates.js'
import { until } from '../servers/until.js'
import { account, alice, client, face, onStage, telegram } from './stage.js'

// The client notices a lost update with the next one, or after half a second, so this test takes a while.

const MESSAGES = Number(process.env.UPDATES ?? 3000)

onStage()

test(`${MESSAGES} messages, some lost, some doubled and all out of order, reach the handlers once and in order`, async () => {
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account] })
  const bot = new Bot(account.token, account.config)
  const heard: number[] = []
  bot.on('message:text', (ctx) => void heard.push(ctx.message.message_id))
  await client().bridge(bot)

  const random = randomOf(11)
  const waiting: (() => void)[] = []
  let [lost, twice] = [0, 0]
  face.deliverBy((send) => {
    const chance = random()
    if (chance < 0.05) {
      lost++
      return
    }
    waiting.push(send)
    if (chance > 0.95) {
      twice++
      waiting.push(send)
    }
    while (waiting.length > 20) waiting.splice(Math.floor(random() * waiting.length), 1)[0]?.()
  })
  const sent: number[] = []
  for (let n = 0; n < MESSAGES; n++) {
    sent.push((await alice.in(plaza).sends(`message ${n}`)).message_id)
    // Updates are sent in turns of the event loop, so the loop has to run from time to time.
    if (n % 50 === 0) await new Promise((done) => setImmediate(done))
  }
  for (const send of waiting.splice(0)) send()
  // A further message reveals the last gap.
  face.deliverBy((send) => send())
  sent.push((await alice.in(plaza).sends('the last')).message_id)

  await until('all were heard', () => heard.length >= sent.length)
  expect(lost).toBeGreaterThan(MESSAGES * 0.03)
  expect(twice).toBeGreaterThan(MESSAGES * 0.03)
  expect(heard).toEqual(sent)
  expect(face.calls('updates.getChannelDifference')).toBeGreaterThan(0)
})

test('after a gap that is too long, missed messages are fetched by their ids', async () => {
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account] })
  const bot = new Bot(account.token, account.config)
  const heard: string[] = []
  bot.on('message:text', (ctx) => void heard.push(ctx.message.text))
  const watching = client()
  await watching.bridge(bot)
  await alice.in(plaza).sends('first')
  await until('the first was heard', () => heard.length === 1)
  face.deliverBy(() => undefined)
  for (let n = 0; n < 250; n++) await alice.in(plaza).sends(`missed ${n}`)
  face.forget(plaza)
  face.deliverBy((send) => send())
  await alice.in(plaza).sends('last')
  await until('all were heard', () => heard.length >= 252)
  expect(new Set(heard)).toEqual(
    new Set(['first', 'last', ...Array.from({ length: 250 }, (_, n) => `missed ${n}`)]),
  )
  expect(heard).toHaveLength(252)
  expect(watching.counts().tooLong).toBe(1)
})
