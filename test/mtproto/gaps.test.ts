import { Bot } from 'grammy'
import { type MtprotoClient, mtproto } from '../../src/mtproto/index.js'
import { startTelegram, type Telegram } from '../../src/telegram/index.js'
import { randomOf } from '../fuzz-updates.js'

// Lost updates are missed when the next one comes, or after half a second: this takes its time.

const MESSAGES = Number(process.env.UPDATES ?? 3000)

let telegram: Telegram
let client: MtprotoClient

afterEach(async () => {
  await client.close()
  await telegram.close()
})

test(`${MESSAGES} messages, of which some are lost, some come twice and all out of order, reach the handlers once and in order`, async () => {
  telegram = await startTelegram({ patience: '30s' })
  const face = await telegram.mtproto()
  const account = telegram.createBot({ username: 'watcher_bot' })
  const alice = telegram.createUser({ firstName: 'Alice' })
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account] })
  client = mtproto({ apiId: 1, apiHash: 'any', botToken: account.token, server: face.address })
  const bot = new Bot(account.token, account.config)
  const heard: number[] = []
  let told: () => void = () => undefined
  bot.on('message:text', (ctx) => {
    heard.push(ctx.message.message_id)
    told()
  })
  await client.bridge(bot)

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
    // What is sent goes out: a crowd does not speak in one moment.
    if (n % 50 === 0) await new Promise((done) => setImmediate(done))
  }
  for (const send of waiting.splice(0)) send()
  // Somebody must speak for the last gap to show.
  face.deliverBy((send) => send())
  sent.push((await alice.in(plaza).sends('the last')).message_id)

  const deadline = Date.now() + 60_000
  while (heard.length < sent.length && Date.now() < deadline) {
    await new Promise<void>((done) => {
      told = done
      setTimeout(done, 200)
    })
  }
  expect(lost).toBeGreaterThan(MESSAGES * 0.03)
  expect(twice).toBeGreaterThan(MESSAGES * 0.03)
  expect(heard).toEqual(sent)
  expect(face.calls('updates.getChannelDifference')).toBeGreaterThan(0)
})

test('what was too long ago to be told is fetched by its ids', async () => {
  telegram = await startTelegram({ patience: '30s' })
  const face = await telegram.mtproto()
  const account = telegram.createBot({ username: 'watcher_bot' })
  const alice = telegram.createUser({ firstName: 'Alice' })
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account] })
  client = mtproto({ apiId: 1, apiHash: 'any', botToken: account.token, server: face.address })
  const bot = new Bot(account.token, account.config)
  const heard: string[] = []
  bot.on('message:text', (ctx) => void heard.push(ctx.message.text))
  await client.bridge(bot)
  await alice.in(plaza).sends('first')
  const until = async (count: number) => {
    const deadline = Date.now() + 20_000
    while (heard.length < count && Date.now() < deadline) await new Promise((done) => setTimeout(done, 10))
  }
  await until(1)
  face.deliverBy(() => undefined)
  for (let n = 0; n < 250; n++) await alice.in(plaza).sends(`missed ${n}`)
  face.forget(plaza)
  face.deliverBy((send) => send())
  await alice.in(plaza).sends('last')
  await until(252)
  expect(new Set(heard)).toEqual(
    new Set(['first', 'last', ...Array.from({ length: 250 }, (_, n) => `missed ${n}`)]),
  )
  expect(heard).toHaveLength(252)
  expect(client.counts().tooLong).toBe(1)
})
