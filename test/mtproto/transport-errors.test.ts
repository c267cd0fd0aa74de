import { connect, type Socket } from 'node:net'
import { abridged } from '../../src/mtproto/protocol/framing.js'
import { closeBehind, kept, known, serve, server, stranger } from './bare-server.js'
import { obfuscated } from './obfuscated.js'
import { plainly, type RawClient, type Speech } from './raw-client.js'

// https://core.telegram.org/mtproto/mtproto-transports#transport-errors; -404 for unknown keys is in server.test.ts.

const CONFIG = { _: 'help.getConfig' }
const ABRIDGED: Speech = { framing: abridged, opening: Buffer.from([0xef]) }

closeBehind()

/** Returns the error that ends a connection. */
async function farewell(of: RawClient): Promise<number> {
  const code = await of.untilError()
  await of.untilClosed()
  return code
}

test.each([
  ['permanent', {}],
  ['temporary', { expiresIn: 3600 }],
])('-444: a key for another data centre (%s)', async (_, options) => {
  await serve()
  const made = await stranger()
  const [code] = await Promise.all([
    farewell(made),
    expect(made.shakeHands(server.key.pem, { ...options, dc: 4 })).rejects.toThrow('closed'),
  ])
  expect(code).toBe(-444)
})

describe('-429: too many', () => {
  test.each<[string, () => Speech]>([
    ['intermediate', () => plainly],
    ['abridged', () => ABRIDGED],
    ['obfuscated', () => obfuscated(0xefefefef, abridged)],
  ])('connections, over any transport: %s', async (_, speech) => {
    await serve({ connections: 1 })
    const first = await known()
    const second = await stranger(speech())
    await second.when(() => (server.connections === 1 ? true : undefined))
    expect(await farewell(second)).toBe(-429)
    expect(await first.call(CONFIG)).toMatchObject({ _: 'config' })
    first.close()
    while (server.connections > 0) await new Promise((done) => setImmediate(done))
    expect(await (await known()).call(CONFIG)).toMatchObject({ _: 'config' })
  })

  test('connections that wait for this error: further ones are closed at once', async () => {
    await serve({ connections: 0 })
    const silent = await Promise.all(Array.from({ length: 100 }, () => open()))
    await closed(await open())
    expect(silent.some((socket) => socket.destroyed)).toBe(false)
    expect(server.connections).toBe(0)
  })

  test('messages in a container', async () => {
    await serve()
    const made = await known()
    const many = Array.from({ length: 1021 }, () => ({ _: 'mt_ping', ping_id: 7n }))
    made.sendContainer(many)
    expect(await farewell(made)).toBe(-429)
  })

  test.each([
    ['acknowledged', 'mt_msgs_ack'],
    ['asked about', 'mt_msgs_state_req'],
    ['requested again', 'mt_msg_resend_req'],
  ])('messages %s at once', async (_, name) => {
    await serve()
    const made = await known()
    const ids = Array.from({ length: 8193 }, (_, n) => BigInt(n * 4))
    made.send({ _: name, msg_ids: ids.slice(1) })
    expect(await made.call(CONFIG)).toMatchObject({ _: 'config' })
    made.send({ _: name, msg_ids: ids })
    expect(await farewell(made)).toBe(-429)
  })
})

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
