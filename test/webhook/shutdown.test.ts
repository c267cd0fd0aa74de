import { EventEmitter } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { connect, type Socket } from 'node:net'
import fastify from 'fastify'
import { health } from '../../src/observability/health/index.js'
import { memory } from '../../src/storage/memory/memory.js'
import { says } from '../sentinel/desk.js'
import { until } from '../servers/until.js'
import { gate, listening, post, SECRET, type Stand, stand, stopped } from './stand.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

/** A client that connects and stays connected. */
async function connected(url: string, text?: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  closing.push(() => socket.destroy())
  // A client that is disconnected may get a reset.
  socket.on('error', () => undefined)
  await new Promise<void>((done) => socket.on('connect', done))
  if (text !== undefined) await new Promise((done) => socket.write(text, done))
  return socket
}

const HALF = `POST /hook HTTP/1.1\r\nHost: x\r\nX-Telegram-Bot-Api-Secret-Token: ${SECRET}\r\nContent-Length: 99\r\n\r\n{"upd`

/** A guard behind each of the servers. */
const SERVERS = {
  'node:http': async (at: Stand = stand()) => {
    const server = createServer(at.webhook.http)
    closing.push(() => stopped(server))
    return { at, server, node: server, url: await listening(server) }
  },
  fastify: async (at: Stand = stand()) => {
    const app = fastify()
    closing.push(() => stopped(app.server))
    await app.register(at.webhook.fastify, { path: '/hook' })
    await app.listen({ port: 0, host: '127.0.0.1' })
    return { at, server: app, node: app.server, url: await listening(app.server) }
  },
}

describe.each(Object.entries(SERVERS))('a process behind %s that receives SIGTERM', (_, serve) => {
  test.each([
    ['and sent nothing', undefined],
    ['and stalled in the middle of a body', HALF],
  ])('ends when its time is up, even if a client connected %s', async (_what, text) => {
    const { at, server, node, url } = await serve()
    let closed = false
    let asked = 0
    node.on('close', () => {
      closed = true
    })
    node.on('request', () => asked++)
    await connected(url, text)
    await until('the server knows of them', async () => (await connections(node)) === 1)
    await until('it has read what they sent', () => text === undefined || asked === 1)
    const process = new EventEmitter()
    at.webhook.drainOn(process, { server, within: '20s' })
    process.emit('SIGTERM')
    await until('the guard is closed', () => process.listenerCount('SIGTERM') === 0)
    // Other routes get the same time as the webhook.
    expect(await connections(node)).toBe(1)
    expect(closed).toBe(false)
    at.time.advance(20_000)
    await until('the server is closed', () => closed)
  })

  test('listens until a burst is handled, then closes the guard, the server and finally the storage', async () => {
    const { opened, open } = gate()
    const order: unknown[] = []
    const storage = memory()
    const held = stand({ storage, debounce: { mode: 'trailing', window: '10s' } }, (bot) =>
      bot.use(async () => {
        await opened
        await storage.values.put('orders', '1', { pizzas: 2 })
        order.push('handled')
      }),
    )
    held.guard.on('error', ({ error }) => order.push(error))
    const { server, node, url } = await serve(held)
    node.on('close', () => order.push('server closed'))
    const deliver = (text: string) => fetch(url, post(JSON.stringify(says(1, text))))
    const closeGuard = held.guard.close.bind(held.guard)
    held.guard.close = async (within) => {
      await closeGuard(within)
      order.push('guard closed')
    }
    expect((await deliver('held')).status).toBe(200)
    const process = new EventEmitter()
    held.webhook.drainOn(process, {
      server,
      async after() {
        await storage.close()
        order.push('storage closed')
      },
    })
    process.emit('SIGTERM')
    await until('the burst is being handled', () => held.reached.length === 1)
    const late = await deliver('late')
    expect([late.status, late.headers.get('connection')]).toEqual([503, 'close'])
    expect(order).toEqual([])
    open()
    await until('all is closed', () => order.includes('storage closed'))
    expect(order).toEqual(['handled', 'guard closed', 'server closed', 'storage closed'])
    expect(node.listening).toBe(false)
  })

  test('closes the storage when its time is up, even if a client is connected', async () => {
    const { at, server, node, url } = await serve()
    let asked = 0
    node.on('request', () => asked++)
    await connected(url, HALF)
    await until('the request has begun', () => asked === 1)
    const process = new EventEmitter()
    let closed = false
    at.webhook.drainOn(process, {
      server,
      within: '20s',
      after() {
        closed = true
      },
    })
    process.emit('SIGTERM')
    await until('the guard is closed', () => process.listenerCount('SIGTERM') === 0)
    expect(closed).toBe(false)
    at.time.advance(20_000)
    await until('the storage is closed', () => closed)
  })
})

test.each([
  ['a client never begins the TLS handshake', (at: Stand) => createHttpsServer(at.webhook.http), undefined],
  [
    'a WebSocket is open',
    (at: Stand) =>
      createServer(at.webhook.http).on('upgrade', (_request, socket) => {
        socket.on('error', () => undefined)
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
      }),
    'GET /live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  ],
])('the server is closed when the time is up, even if %s', async (_, serve, text) => {
  const at = stand()
  const server = serve(at)
  closing.push(() => void server.close())
  const url = await listening(server)
  let closed = false
  let upgraded = false
  server.on('close', () => {
    closed = true
  })
  server.on('upgrade', () => {
    upgraded = true
  })
  const process = new EventEmitter()
  at.webhook.drainOn(process, { server, within: '20s' })
  await connected(url, text)
  await until('the server knows of the client', async () => (await connections(server)) === 1)
  await until('it has read what the client sent', () => text === undefined || upgraded)
  process.emit('SIGTERM')
  await until('the guard is closed', () => process.listenerCount('SIGTERM') === 0)
  expect(closed).toBe(false)
  at.time.advance(20_000)
  await until('the server is closed', () => closed)
})

test('probes that share the server answer 503 while a burst is handled', async () => {
  const { opened, open } = gate()
  const at = stand({ debounce: { mode: 'trailing', window: '10s' } }, (bot) => bot.use(() => opened))
  const probes = health(at.guard)
  closing.push(() => probes.close())
  const server = createServer((request, response) =>
    request.url === '/hook' ? at.webhook.http(request, response) : probes.handler(request, response),
  )
  closing.push(() => stopped(server))
  const url = await listening(server)
  const probe = async () => (await fetch(new URL('/readyz', url))).status
  await at.deliver(says(1, 'held'))
  const process = new EventEmitter()
  at.webhook.drainOn(process, { server })
  process.emit('SIGTERM')
  await until('the burst is being handled', () => at.reached.length === 1)
  expect(await probe()).toBe(503)
  open()
  await until('the server is closed', () => !server.listening)
})

test('all bots of the guard drain together, and probes report it', async () => {
  const { opened, open } = gate()
  const at = stand({}, (bot) => bot.use(() => opened))
  const other = at.another(43)
  const second = at.guard.webhook(other.bot, { secret: SECRET })
  const running = at.deliver(says(1, 'hello'))
  await until('the handler runs', () => at.reached.length === 1)
  const process = new EventEmitter()
  at.webhook.drainOn(process)
  process.emit('SIGTERM')
  await until('it drains', () => at.webhook.isDraining)
  expect(second.isDraining).toBe(true)
  expect((await at.guard.health()).draining).toBe(true)
  expect((await second.fetch(post(JSON.stringify(says(2, 'late'))))).status).toBe(503)
  expect(other.reached).toEqual([])
  open()
  expect(await running).toBe(200)
  await until('the guard is closed', () => process.listenerCount('SIGTERM') === 0)
})

test('an error while the server closes is reported, also when the time is up', async () => {
  const at = stand()
  const reported: unknown[] = []
  at.guard.on('error', ({ error, during }) => reported.push([during, error]))
  let fail = (): void => undefined
  const close = () =>
    new Promise((_, reject) => {
      fail = () => reject(new Error('a hook failed'))
    })
  let isAfter = false
  const process = new EventEmitter()
  at.webhook.drainOn(process, {
    server: { close },
    within: '5s',
    after() {
      isAfter = true
    },
  })
  process.emit('SIGTERM')
  await until('the guard is closed', () => process.listenerCount('SIGTERM') === 0)
  at.time.advance(5000)
  await until('the time is up', () => isAfter)
  fail()
  await until('the error is reported', () => reported.length === 1)
  expect(reported).toEqual([['webhook.drain', new Error('a hook failed')]])
})

test.each([
  ['rejects', () => Promise.reject(new Error('the storage is away'))],
  [
    'throws',
    () => {
      throw new Error('the storage is away')
    },
  ],
])('an `after` that %s is reported', async (_, after) => {
  const at = stand()
  const reported: unknown[] = []
  at.guard.on('error', ({ error, during }) => reported.push([during, error]))
  const process = new EventEmitter()
  at.webhook.drainOn(process, { after })
  process.emit('SIGTERM')
  await until('the error is reported', () => reported.length === 1)
  expect(reported).toEqual([['webhook.drain', new Error('the storage is away')]])
})

function connections(server: {
  getConnections(done: (error: Error | null, count: number) => void): unknown
}) {
  return new Promise<number>((done, fail) =>
    server.getConnections((error, count) => (error === null ? done(count) : fail(error))),
  )
}

test('a client that is answered when the time is up is not cut off before', async () => {
  const at = stand({}, (bot) => bot.use(() => new Promise(() => undefined)))
  at.guard.on('warning', () => undefined)
  const server = createServer(at.webhook.http)
  closing.push(() => stopped(server))
  const url = await listening(server)
  const headers = { 'x-telegram-bot-api-secret-token': SECRET }
  const asked = fetch(url, { method: 'POST', body: JSON.stringify(says(1, 'hangs')), headers })
  await until('the handler runs', () => at.reached.length === 1)
  const process = new EventEmitter()
  at.webhook.drainOn(process, { server, within: '5s' })
  process.emit('SIGTERM')
  await until('nobody is let in', async () => (await at.deliver(says(2, 'x'))) === 503)
  at.time.advance(5000)
  expect((await asked).status).toBe(200)
})

describe('a server that fails to close', () => {
  test.each([
    ['rejects', () => Promise.reject(new Error('a hook of theirs'))],
    [
      'throws',
      () => {
        throw new Error('a hook of theirs')
      },
    ],
  ])('is reported, and everything else ends: it %s', async (_, close) => {
    const { opened, open } = gate()
    const at = stand({ debounce: { mode: 'trailing', window: '10s' } }, (bot) => bot.use(() => opened))
    const told: unknown[] = []
    at.guard.on('error', ({ error, during }) => told.push([during, error]))
    await at.deliver(says(1, 'held'))
    const process = new EventEmitter()
    at.webhook.drainOn(process, { server: { close } })
    process.emit('SIGTERM')
    await until('what was held is handled', () => at.reached.length === 1)
    open()
    await until('the guard is closed', () => process.listenerCount('SIGTERM') === 0)
    expect(told).toEqual([['webhook.drain', new Error('a hook of theirs')]])
  })
})

test('a server whose connections several webhooks close is followed once', async () => {
  const server = createServer()
  const process = new EventEmitter()
  for (let nth = 0; nth < 12; nth++) {
    const stop = stand().webhook.drainOn(process, { server })
    if (nth > 0) stop()
  }
  expect([server.listenerCount('connection'), server.listenerCount('session')]).toEqual([
    createServer().listenerCount('connection') + 1,
    1,
  ])
})
