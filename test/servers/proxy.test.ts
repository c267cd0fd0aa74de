import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net'
import { Redis } from 'ioredis'
import { type NetworkProxy, startProxy } from './proxy.js'
import { startRedis } from './redis.js'
import { until } from './until.js'

/** Echoes what it receives, and records the sockets that sent data and those that finished. */
let echo: Server
let heard: Socket[]
let finished: Socket[]
let proxy: NetworkProxy
const clients: Socket[] = []

beforeEach(async () => {
  heard = []
  finished = []
  echo = createServer({ allowHalfOpen: true }, (socket) => {
    heard.push(socket)
    socket.on('data', (data) => socket.write(data))
    socket.on('end', () => finished.push(socket))
    // The tests cut connections.
    socket.on('error', () => undefined)
  })
  echo.listen(0, '127.0.0.1')
  await once(echo, 'listening')
  proxy = await startProxy((echo.address() as AddressInfo).port)
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  await proxy.stop()
  for (const socket of heard) socket.destroy()
  await new Promise((resolve) => echo.close(resolve))
})

interface Client {
  readonly socket: Socket
  readonly said: () => string
  /** How the connection ended, or 'open'. */
  readonly fate: () => string
  say(text: string): void
}

function connect(): Client {
  const socket = createConnection({ host: '127.0.0.1', port: proxy.port, allowHalfOpen: true })
  clients.push(socket)
  let said = ''
  let fate = 'open'
  socket.on('data', (data) => {
    said += data
  })
  socket.on('end', () => {
    fate = 'finished'
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    fate = error.code ?? ''
  })
  return { socket, said: () => said, fate: () => fate, say: (text) => void socket.write(text) }
}

const hears = (client: Client, text: string): Promise<void> =>
  until(`the client hears "${text}"`, () => client.said() === text)

const becomes = (client: Client, fate: string): Promise<void> =>
  until(`the connection is ${fate}`, () => client.fate() === fate)

test('passes data on in both directions, and counts connections', async () => {
  const [a, b] = [connect(), connect()]
  a.say('one')
  b.say('two')
  await hears(a, 'one')
  await hears(b, 'two')
  expect([proxy.accepted, proxy.open]).toEqual([2, 2])
  a.socket.end()
  await until('the server hears the end', () => finished.length === 1)
  heard[heard.indexOf(finished[0] as Socket)]?.end()
  await until('one is left', () => proxy.open === 1)
  expect(proxy.accepted).toBe(2)
})

test('passes on megabytes unchanged', async () => {
  const client = connect()
  const text = Array.from({ length: 400_000 }, (_, index) => `${index} `).join('')
  client.say(text)
  await until('all came back', () => client.said().length === text.length)
  expect(client.said() === text).toBe(true)
})

test('delays each piece in either direction, and keeps their order', async () => {
  const client = connect()
  client.say('a')
  await hears(client, 'a')
  proxy.delay(100)
  const start = performance.now()
  client.say('b')
  client.say('c')
  await hears(client, 'abc')
  // Timers of Node may fire up to a millisecond early.
  expect(performance.now() - start).toBeGreaterThanOrEqual(195)
  await proxy.normal()
  client.say('d')
  await hears(client, 'abcd')
})

test('data with a shorter delay does not overtake earlier data', async () => {
  const client = connect()
  client.say('a')
  await hears(client, 'a')
  proxy.delay(60_000)
  client.say('b')
  proxy.delay(10)
  client.say('c')
  await hears(client, 'abc')
})

test('cuts all connections with a reset, and serves new ones as before', async () => {
  const [a, b] = [connect(), connect()]
  a.say('a')
  b.say('b')
  await hears(a, 'a')
  await hears(b, 'b')
  proxy.cut()
  await becomes(a, 'ECONNRESET')
  await becomes(b, 'ECONNRESET')
  await until('the proxy has forgotten them', () => proxy.open === 0)
  const c = connect()
  c.say('c')
  await hears(c, 'c')
})

test('tells a client that the server has finished, and still receives from the client', async () => {
  const client = connect()
  client.say('a')
  await hears(client, 'a')
  proxy.halfClose('client')
  await becomes(client, 'finished')
  const [server] = heard
  let later = ''
  server?.on('data', (data) => {
    later += data
  })
  client.say('b')
  await until('the server hears it', () => later === 'b')
  expect(finished).toEqual([])
  expect(client.said()).toBe('a')
})

test('tells the server that a client has finished, and still receives from the server', async () => {
  const client = connect()
  client.say('a')
  await hears(client, 'a')
  proxy.halfClose('server')
  await until('the server hears the end', () => finished.length === 1)
  heard[0]?.write('b')
  await hears(client, 'ab')
  expect(client.fate()).toBe('open')
})

test('a black hole accepts connections and sends nothing, and delivers everything afterwards', async () => {
  const before = connect()
  before.say('a')
  await hears(before, 'a')
  proxy.blackHole()
  const during = connect()
  before.say('b')
  during.say('c')
  await until('it has accepted', () => proxy.accepted === 2)
  // Without the black hole an echo arrives in well under a tenth of a second.
  await expect(hearsWithin(before, 'ab', 100)).rejects.toThrow('in vain')
  expect([before.said(), during.said(), before.fate(), during.fate()]).toEqual(['a', '', 'open', 'open'])
  await proxy.normal()
  await hears(before, 'ab')
  await hears(during, 'c')
})

test('a black hole can be cut', async () => {
  const client = connect()
  client.say('a')
  await hears(client, 'a')
  proxy.blackHole()
  proxy.cut()
  await becomes(client, 'ECONNRESET')
})

test('refuses new connections, keeps the old ones, and comes back on the same port', async () => {
  const old = connect()
  old.say('a')
  await hears(old, 'a')
  proxy.refuse()
  await becomes(connect(), 'ECONNREFUSED')
  old.say('b')
  await hears(old, 'ab')
  await proxy.normal()
  const late = connect()
  late.say('c')
  await hears(late, 'c')
})

test('leads new connections to another server, and keeps the old ones', async () => {
  const other = createServer((socket) => {
    socket.end('other')
    socket.on('error', () => undefined)
  })
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  const old = connect()
  old.say('a')
  await hears(old, 'a')
  proxy.lead((other.address() as AddressInfo).port)
  await hears(connect(), 'other')
  old.say('b')
  await hears(old, 'ab')
  other.close()
})

test('resets new connections while the server behind it does not listen', async () => {
  echo.close()
  await becomes(connect(), 'ECONNRESET')
})

test('works in front of a Redis', async () => {
  const server = await startRedis()
  const front = await startProxy(server.port)
  const client = new Redis(front.urlOf(server.url), { retryStrategy: () => 10 })
  // The error is also passed to the caller of the command.
  client.on('error', () => undefined)
  try {
    expect(await client.ping()).toBe('PONG')
    front.cut()
    expect(await client.ping()).toBe('PONG')
    expect(front.accepted).toBe(2)
  } finally {
    client.disconnect()
    await front.stop()
    await server.stop()
  }
})

function hearsWithin(client: Client, text: string, ms: number): Promise<void> {
  return until(`the client hears "${text}"`, () => client.said() === text, ms)
}
