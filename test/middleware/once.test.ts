import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Bot, webhookCallback } from 'grammy'
import { compose } from '../../src/middleware/compose.js'
import { once } from '../../src/middleware/once.js'
import { throttle } from '../../src/middleware/throttle.js'
import { type Rig, rig, Stage } from './rig.js'

let on: Rig
afterEach(() => on.stop())

/** An update that is redelivered with the same id. */
function update(rig: Rig, id: number, text: string): Parameters<Rig['bot']['handleUpdate']>[0] {
  return {
    update_id: id,
    message: {
      message_id: id,
      date: 1_700_000_000,
      text,
      chat: { id: rig.alice.id, type: 'private', first_name: 'Alice' },
      from: { id: rig.alice.id, is_bot: false, first_name: 'Alice' },
    },
  }
}

describe('once', () => {
  test('handles a redelivered update once', async () => {
    on = await rig(once())
    await on.bot.init()
    for (const id of [10, 11, 10, 12, 11]) await on.bot.handleUpdate(update(on, id, `update ${id}`))
    expect(on.reached).toEqual(['update 10', 'update 11', 'update 12'])
  })

  test('charges a redelivered update once, without a notice', async () => {
    on = await rig(compose(once(), throttle('2/1m')))
    await on.bot.init()
    for (const id of [10, 10, 10, 11]) await on.bot.handleUpdate(update(on, id, `update ${id}`))
    expect(on.reached).toEqual(['update 10', 'update 11'])
    expect(on.telegram.calls('sendMessage')).toEqual([])
  })

  test('a handler that throws releases the update: the redelivery is handled, and charged nothing', async () => {
    let attempts = 0
    const told: number[] = []
    on = await rig(compose(once(), throttle({ limit: '2/1m', deny: 'silent' })), (bot) => {
      bot.on('message', (ctx) => {
        if (ctx.message.text === 'fragile' && ++attempts === 1) throw new Error('the database was away')
        told.push(ctx.sentinel.remaining('user') as number)
      })
    })
    await on.bot.init()
    await expect(on.bot.handleUpdate(update(on, 10, 'fragile'))).rejects.toThrow('the database was away')
    await on.bot.handleUpdate(update(on, 10, 'fragile'))
    await on.bot.handleUpdate(update(on, 10, 'fragile'))
    await on.bot.handleUpdate(update(on, 11, 'sound'))
    await on.bot.handleUpdate(update(on, 12, 'over'))
    expect(attempts).toBe(2)
    expect(on.reached).toEqual(['fragile', 'fragile', 'sound'])
    expect(told).toEqual([expect.closeTo(1, 2), expect.closeTo(0, 2)])
  })

  test('a duplicate that arrives while the first is handled is dropped silently', async () => {
    let finish = (): void => undefined
    on = await rig(once(), (bot) => {
      bot.on('message', () => new Promise<void>((done) => (finish = done)))
    })
    await on.bot.init()
    const first = on.bot.handleUpdate(update(on, 10, 'slow'))
    await on.bot.handleUpdate(update(on, 10, 'slow'))
    finish()
    await first
    expect(on.reached).toEqual(['slow'])
  })

  test('with a lease, an update of a worker that died is handled by another, without a second charge', async () => {
    const time = new Stage()
    on = await rig(compose(once({ lease: '30s' }), throttle('1/1h'), { clock: time.clock }), (bot) => {
      // The first attempt never comes back, as when its worker was killed.
      bot.on('message', () => (on.reached.length === 1 ? new Promise<void>(() => undefined) : undefined))
    })
    await on.bot.init()
    void on.bot.handleUpdate(update(on, 10, 'killed'))
    time.advance(29_999)
    await on.bot.handleUpdate(update(on, 10, 'killed'))
    expect(on.reached).toEqual(['killed'])
    time.advance(1)
    await on.bot.handleUpdate(update(on, 10, 'killed'))
    expect(on.reached).toEqual(['killed', 'killed'])
    time.advance(60_000)
    await on.bot.handleUpdate(update(on, 10, 'killed'))
    expect(on.reached).toEqual(['killed', 'killed'])
  })

  test('a webhook that answered 500 is redelivered and handled, once', async () => {
    let attempts = 0
    on = await rig(once(), (bot) => {
      bot.on('message', () => {
        if (++attempts === 1) throw new Error('not this time')
      })
    })
    await on.bot.init()
    const handle = webhookCallback(on.bot, 'http')
    const server = createServer((request, response) => {
      handle(request, response).catch(() => response.writeHead(500).end())
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    await on.bot.api.setWebhook(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    await on.alice.to(on.account).sends('hello')
    await on.settled()
    expect(attempts).toBe(2)
    await on.bot.api.deleteWebhook()
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  })

  test('two bots never share an update id', async () => {
    const guard = once()
    on = await rig(guard)
    const account = on.telegram.createBot({ username: 'other_bot' })
    const other = new Bot(account.token, account.config)
    other.use(guard)
    other.use((ctx) => on.reached.push(`other: ${ctx.msg?.text}`))
    await on.bot.init()
    await other.init()
    await on.bot.handleUpdate(update(on, 10, 'hello'))
    await other.handleUpdate(update(on, 10, 'hello'))
    expect(on.reached).toEqual(['hello', 'other: hello'])
  })
})
