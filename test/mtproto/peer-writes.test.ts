import { Bot } from 'grammy'
import { memory } from '../../src/storage/memory/memory.js'
import { until } from '../servers/until.js'
import { bridge, PLAZA } from './bare-bridge.js'
import { account, alice, client, onStage, telegram } from './stage.js'

/* Updates, while the storage of the session fails or the bridge ends. */

describe('a storage that cannot store a peer', () => {
  onStage()

  test.each(['message', 'inline query'])('keeps no %s from the bot, and is reported', async (what) => {
    const storage = memory()
    const full = new Error('no room on the disk')
    let isFull = false
    const values = new Proxy(storage.values, {
      get: (of, name) => {
        if (name === 'put')
          return (...args: Parameters<typeof of.put>) =>
            isFull && /^(?:peer|ref):/.test(args[1]) ? Promise.reject(full) : of.put(...args)
        const value: unknown = Reflect.get(of, name)
        return typeof value === 'function' ? value.bind(of) : value
      },
    })
    const one = client({
      storage: new Proxy(storage, {
        get: (of, name) => {
          const value: unknown = name === 'values' ? values : Reflect.get(of, name)
          return typeof value === 'function' ? value.bind(of) : value
        },
      }),
    })
    const told: unknown[] = []
    one.onError((error) => told.push(error))
    const bot = new Bot(account.token, account.config)
    const heard: string[] = []
    bot.on('message:text', ({ message }) => void heard.push(message.text))
    bot.on('inline_query', ({ inlineQuery }) => void heard.push(inlineQuery.query))
    await one.bridge(bot)
    await alice.to(account).sends('first')
    await until('the first was heard', () => heard.length === 1)
    isFull = true
    const bob = telegram.createUser({ firstName: 'Bob' })
    if (what === 'message') await bob.to(account).sends('from a new user')
    else await bob.asks(account, 'from a new user')
    await until('it was heard', () => heard.length === 2)
    expect(heard).toEqual(['first', 'from a new user'])
    expect(told).toContain(full)
    isFull = false
  })
})

test('an update that mtcute dispatches after the bridge has ended is not handled', async () => {
  const { bridging, came, taken, saved } = await bridge()
  const peerId = { _: 'peerChannel', channelId: PLAZA.id }
  const hi = (id: number) => ({
    _: 'updateNewChannelMessage',
    message: { _: 'message', id, peerId, fromId: { _: 'peerUser', userId: 1 }, message: 'hi', date: 1 },
    pts: id,
    ptsCount: 1,
  })
  await came(hi(2))
  bridging.freeze()
  await bridging.end()
  const before = saved.length
  await came(hi(3))
  await bridging.storage.kv.set('updates_channel:6', new Uint8Array(4))
  expect(taken).toMatchObject([{ message: { message_id: 2 } }])
  expect(saved).toHaveLength(before)
})
