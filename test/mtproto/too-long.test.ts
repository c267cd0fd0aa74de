import { Bot } from 'grammy'
import { type MtprotoClient, mtproto } from '../../src/mtproto/index.js'
import { memory } from '../../src/storage/memory/memory.js'
import { startTelegram, type Telegram } from '../../src/telegram/index.js'
import { until as soon } from '../servers/until.js'

let telegram: Telegram
const clients: MtprotoClient[] = []

afterEach(async () => {
  for (const client of clients.splice(0)) await client.close()
  await telegram.close()
})

test('what Telegram tells no longer is looked up by its ids, in groups and in private, over a restart as well', async () => {
  telegram = await startTelegram({ patience: '30s' })
  const face = await telegram.mtproto()
  const account = telegram.createBot({ username: 'watcher_bot' })
  const alice = telegram.createUser({ firstName: 'Alice' })
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account] })
  const storage = memory()
  const heard: string[] = []
  let look: () => void = () => undefined
  const until = (count: number): Promise<void> =>
    new Promise((resolve) => {
      look = () => (heard.length >= count ? resolve() : undefined)
      look()
    })
  const up = async (): Promise<MtprotoClient> => {
    const client = mtproto({
      apiId: 1,
      apiHash: 'any',
      botToken: account.token,
      server: face.address,
      storage,
    })
    clients.push(client)
    const bot = new Bot(account.token, account.config)
    bot.on('message:text', ({ message }) => {
      heard.push(message.text)
      look()
    })
    await client.bridge(bot)
    return client
  }
  const first = await up()
  await alice.in(plaza).sends('in the group')
  await alice.to(account).sends('in private')
  await until(2)
  await first.close()

  const missed = ['missed 1', 'missed 2', 'missed 3']
  for (const text of missed) {
    await alice.in(plaza).sends(`${text} in the group`)
    await alice.to(account).sends(`${text} in private`)
  }
  face.forget(plaza)
  face.forget(account)
  heard.length = 0
  const second = await up()
  await until(6)
  await alice.in(plaza).sends('last in the group')
  await alice.to(account).sends('last in private')
  await until(8)
  const all = [
    ...missed.flatMap((text) => [`${text} in the group`, `${text} in private`]),
    'last in the group',
    'last in private',
  ]
  expect([...heard].sort()).toEqual(all.sort())
  expect(second.counts().tooLong).toBe(2)
})

test('what could not be looked up, since Telegram failed, is looked up after the next start', async () => {
  telegram = await startTelegram({ patience: '30s' })
  const face = await telegram.mtproto()
  const account = telegram.createBot({ username: 'watcher_bot' })
  const alice = telegram.createUser({ firstName: 'Alice' })
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account] })
  const storage = memory()
  const heard: string[] = []
  const told: unknown[] = []
  const up = async (): Promise<MtprotoClient> => {
    const client = mtproto({
      apiId: 1,
      apiHash: 'any',
      botToken: account.token,
      server: face.address,
      storage,
    })
    clients.push(client)
    client.onError((error) => told.push(error))
    const bot = new Bot(account.token, account.config)
    bot.on('message:text', ({ message }) => void heard.push(message.text))
    await client.bridge(bot)
    return client
  }
  const first = await up()
  await alice.in(plaza).sends('seen')
  await soon('it was seen', () => heard.length === 1)
  await first.close()
  for (const text of ['missed 1', 'missed 2']) await alice.in(plaza).sends(text)
  face.forget(plaza)
  // As often as mtcute tries by itself, and no more.
  face.fail('channels.getMessages', 500, 'INTERNAL_SERVER_ERROR', 4)
  const second = await up()
  await soon('it is told', () => told.length > 0)
  expect(told).toMatchObject([{ code: 'mtproto.refused', reason: 'INTERNAL_SERVER_ERROR' }])
  await second.close()
  expect(heard).toEqual(['seen'])
  await up()
  await soon('all came', () => heard.length === 3)
  expect(heard).toEqual(['seen', 'missed 1', 'missed 2'])
})
