import { connect, type Socket } from 'node:net'
import { Buffered, intermediate } from '../../src/mtproto/protocol/framing.js'
import { LIMITS, type Limits } from '../../src/telegram/mtproto/connections/limits.js'
import { closeBehind, kept, known, server, serve as serveWith } from './bare-server.js'

const CONFIG = { _: 'help.getConfig' }

closeBehind()

/** Pending timers with their delays. */
let due: Map<() => void, number>

const timers = {
  after(ms: number, run: () => void) {
    due.set(run, ms)
    return () => {
      due.delete(run)
    }
  },
}

/** Runs the timers with delays up to the given time. */
function pass(ms: number): void {
  for (const [run, after] of [...due]) {
    if (after > ms) continue
    due.delete(run)
    run()
  }
}

async function serve(limits: Partial<Limits>): Promise<void> {
  due = new Map()
  await serveWith({ timers, ...limits })
}

async function open(): Promise<Socket> {
  const socket = connect(server.port, '127.0.0.1')
  kept({ close: () => socket.destroy() })
  socket.on('error', () => undefined)
  socket.resume()
  await new Promise<void>((done) => socket.once('connect', done))
  return socket
}

const closed = (socket: Socket) =>
  socket.destroyed ? undefined : new Promise<void>((done) => socket.once('close', () => done()))

test.each<[string, Buffer]>([
  ['nothing', Buffer.alloc(0)],
  ['half of a transport header', Buffer.from('eeee', 'hex')],
  ['half of an upgrade request', Buffer.from('GET /apiws HTTP/1.1\r\nHost: ')],
  ['a transport header, and half of a frame', Buffer.from('eeeeeeee00100000', 'hex')],
])('a connection that sends only %s is closed', async (_, bytes) => {
  await serve({})
  const socket = await open()
  socket.write(bytes)
  while (server.connections === 0) await new Promise((done) => setImmediate(done))
  pass(LIMITS.handshake)
  await closed(socket)
})

test('a connection without a message after the key exchange is closed, one with a message stays open', async () => {
  await serve({})
  const [silent, active] = [await known(), await known()]
  await active.call(CONFIG)
  pass(LIMITS.handshake)
  await silent.untilClosed()
  expect(active.closed).toBe(false)
  expect(await active.call(CONFIG)).toMatchObject({ _: 'config' })
})

test('a silent connection is closed', async () => {
  await serve({})
  const client = await known()
  await client.call(CONFIG)
  pass(LIMITS.silence)
  expect(await client.call(CONFIG)).toMatchObject({ _: 'config' })
  pass(LIMITS.silence)
  pass(LIMITS.silence)
  await client.untilClosed()
})

test('connections above the limit are closed at their first byte, until others are closed', async () => {
  await serve({ connections: 3 })
  const first = await Promise.all([open(), open(), open()])
  while (server.connections < 3) await new Promise((done) => setImmediate(done))
  const more = await open()
  more.write(Buffer.from('eeeeeeee', 'hex'))
  await closed(more)
  expect(server.connections).toBe(3)
  first[0]?.destroy()
  while (server.connections > 2) await new Promise((done) => setImmediate(done))
  const client = await known()
  expect(await client.call(CONFIG)).toMatchObject({ _: 'config' })
})

test('silent connections above the limit are closed after a while', async () => {
  await serve({ connections: 0 })
  const silent = await open()
  while (due.size === 0) await new Promise((done) => setImmediate(done))
  pass(LIMITS.handshake)
  await closed(silent)
})

test('a client that sends requests but never reads is disconnected, and the memory stays bounded', async () => {
  await serve({})
  const client = await known()
  client.pause()
  const bytes = Buffer.alloc(400_000)
  const file = { _: 'upload.file', type: { _: 'storage.fileUnknown' }, mtime: 0, bytes }
  server.run = async () => file
  const before = process.memoryUsage().external
  for (let n = 0; n < 20_000 && server.connections > 0; n++) {
    client.send(CONFIG)
    if (n % 20 === 0) await new Promise((done) => setImmediate(done))
  }
  expect(server.connections).toBe(0)
  expect(process.memoryUsage().external - before).toBeLessThan(300e6)
})

test('a frame can arrive byte by byte', () => {
  const payload = Buffer.from(Array.from({ length: 200_000 }, (_, i) => i & 255))
  const frame = intermediate.wrap(payload)
  const buffered = new Buffered()
  let early = 0
  for (let at = 0; at < frame.length; at++) {
    if (at > 0 && intermediate.next(buffered) !== undefined) early++
    buffered.push(frame.subarray(at, at + 1))
  }
  expect(early).toBe(0)
  expect(intermediate.next(buffered)?.payload.equals(payload)).toBe(true)
  expect(buffered.length).toBe(0)
})
