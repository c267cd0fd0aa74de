import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import {
  abridged,
  type Framing,
  intermediate,
  paddedIntermediate,
} from '../../src/mtproto/protocol/framing.js'
import { kept, onServer, server } from './bare-server.js'
import { obfuscated } from './obfuscated.js'
import { RawClient, type Speech } from './raw-client.js'

onServer()

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
const GOOD: Readonly<Record<string, string>> = {
  Host: '127.0.0.1',
  Upgrade: 'websocket',
  Connection: 'keep-alive, Upgrade',
  'Sec-WebSocket-Key': KEY,
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Protocol': 'binary',
}

function request(headers: Readonly<Record<string, string>> = GOOD, line = 'GET /apiws HTTP/1.1'): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return `${[line, ...lines].join('\r\n')}\r\n\r\n`
}

/** Encodes a frame as a client does. */
function frame(
  payload: Buffer,
  {
    code = 2,
    last = true,
    masked = true,
    bits = 0,
  }: { code?: number; last?: boolean; masked?: boolean; bits?: number } = {},
): Buffer {
  const { length } = payload
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10)
  head[0] = (last ? 0x80 : 0) | bits | code
  head[1] = (masked ? 0x80 : 0) | (length < 126 ? length : length < 65_536 ? 126 : 127)
  if (head.length === 4) head.writeUInt16BE(length, 2)
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2)
  if (!masked) return Buffer.concat([head, payload])
  const mask = randomBytes(4)
  return Buffer.concat([head, mask, Buffer.from(payload.map((byte, i) => byte ^ (mask[i % 4] as number)))])
}

/** A connection, and the bytes received over it. */
class Wire {
  came = Buffer.alloc(0)
  closed = false
  #told: () => void = () => undefined

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk) => {
      this.came = Buffer.concat([this.came, chunk])
      this.#told()
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.closed = true
      this.#told()
    })
  }

  static async open(): Promise<Wire> {
    const socket = connect(server.port, '127.0.0.1')
    const wire = new Wire(socket)
    kept({ close: () => socket.destroy() })
    await new Promise<void>((done, failed) => socket.once('connect', done).once('error', failed))
    return wire
  }

  static async upgraded(): Promise<Wire> {
    const wire = await Wire.open()
    wire.socket.write(request())
    await wire.until(() => wire.came.includes('\r\n\r\n'))
    wire.came = wire.came.subarray(wire.came.indexOf('\r\n\r\n') + 4)
    return wire
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((done) => {
        this.#told = done
      })
    }
  }
}

/** A client that uses MTProto over WebSocket, with frames cut in a given way. */
async function client(framing: Framing, tag: number, cut: (data: Buffer) => Buffer[]): Promise<RawClient> {
  const inner = obfuscated(tag, framing)
  let head = true
  let buffered = Buffer.alloc(0)
  const speech: Speech = {
    framing,
    opening: Buffer.concat([Buffer.from(request()), ...cut(inner.opening)]),
    veil: {
      outgoing: (data) => Buffer.concat(cut(inner.veil?.outgoing(data) ?? data)),
      incoming: (data) => {
        buffered = Buffer.concat([buffered, data])
        if (head) {
          const end = buffered.indexOf('\r\n\r\n')
          if (end < 0) return Buffer.alloc(0)
          buffered = buffered.subarray(end + 4)
          head = false
        }
        const parts: Buffer[] = []
        for (;;) {
          if (buffered.length < 2) break
          const short = (buffered[1] as number) & 127
          const size = short === 126 ? 4 : short === 127 ? 10 : 2
          if (buffered.length < size) break
          const length =
            size === 2 ? short : size === 4 ? buffered.readUInt16BE(2) : Number(buffered.readBigUInt64BE(2))
          if (buffered.length < size + length) break
          // Other frames are answers to our pings.
          if (((buffered[0] as number) & 15) === 2) parts.push(buffered.subarray(size, size + length))
          buffered = buffered.subarray(size + length)
        }
        const data_ = Buffer.concat(parts)
        return inner.veil?.incoming(data_) ?? data_
      },
    },
  }
  const made = await RawClient.connect(server.port, speech)
  kept(made)
  return made
}

const whole = (data: Buffer) => [frame(data)]
const inPieces = (data: Buffer) => {
  const third = Math.ceil(data.length / 3)
  return [
    frame(data.subarray(0, third), { last: false }),
    // Control frames may stand between fragments.
    frame(Buffer.from('hello'), { code: 9 }),
    frame(data.subarray(third, third * 2), { code: 0, last: false }),
    frame(data.subarray(third * 2), { code: 0 }),
  ]
}

test.each<[string, Framing, number, (data: Buffer) => Buffer[]]>([
  ['abridged', abridged, 0xefefefef, whole],
  ['intermediate', intermediate, 0xeeeeeeee, whole],
  ['padded', paddedIntermediate, 0xdddddddd, whole],
  ['intermediate, in fragments', intermediate, 0xeeeeeeee, inPieces],
])('%s works over WebSocket', async (_, framing, tag, cut) => {
  const made = await client(framing, tag, cut)
  await made.shakeHands(server.key.pem)
  expect(await made.call({ _: 'help.getConfig' })).toMatchObject({ _: 'config' })
})

test('an upgrade is answered according to RFC 6455, even if it arrives byte by byte', async () => {
  const wire = await Wire.open()
  for (const byte of request()) wire.socket.write(byte)
  await wire.until(() => wire.came.includes('\r\n\r\n'))
  expect(wire.came.toString()).toMatch(/^HTTP\/1\.1 101 /)
  // The example in section 1.3.
  expect(wire.came.toString()).toContain('Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n')
  expect(wire.came.toString()).toContain('Sec-WebSocket-Protocol: binary\r\n')
})

const without = (name: string) => Object.fromEntries(Object.entries(GOOD).filter(([each]) => each !== name))

test.each<[string, number, string]>([
  ['at another path', 404, request(GOOD, 'GET /other HTTP/1.1')],
  ['with another method', 405, request(GOOD, 'POST /apiws HTTP/1.1')],
  ['in another version of HTTP', 505, request(GOOD, 'GET /apiws HTTP/1.0')],
  ['without its header', 426, request(without('Upgrade'))],
  ['with another version', 426, request({ ...GOOD, 'Sec-WebSocket-Version': '8' })],
  ['without a key', 400, request(without('Sec-WebSocket-Key'))],
  ['with another protocol', 400, request({ ...GOOD, 'Sec-WebSocket-Protocol': 'chat' })],
  ['with headers that are too long', 431, request({ ...GOOD, Cookie: 'x'.repeat(20_000) })],
])('an upgrade request %s is refused with %i', async (_, code, text) => {
  const wire = await Wire.open()
  wire.socket.write(text)
  await wire.until(() => wire.closed)
  expect(wire.came.toString()).toMatch(new RegExp(`^HTTP/1\\.1 ${code} `))
})

test.each<[string, number, Buffer]>([
  ['is not masked', 1002, frame(Buffer.alloc(8), { masked: false })],
  ['has extension bits', 1002, frame(Buffer.alloc(8), { bits: 0x40 })],
  ['is text', 1003, frame(Buffer.from('text'), { code: 1 })],
  ['continues nothing', 1002, frame(Buffer.alloc(8), { code: 0 })],
  [
    'begins before the last message has ended',
    1002,
    Buffer.concat([frame(Buffer.alloc(8), { last: false }), frame(Buffer.alloc(8))]),
  ],
  ['is a control frame that is too long', 1002, frame(Buffer.alloc(126), { code: 9 })],
  ['is a fragmented control frame', 1002, frame(Buffer.alloc(1), { code: 9, last: false })],
  ['has an unknown opcode', 1002, frame(Buffer.alloc(1), { code: 11 })],
  ['claims an excessive size', 1009, Buffer.from('82ff7fffffffffffffff00000000', 'hex')],
  [
    'has too many fragments',
    1009,
    Buffer.concat([
      frame(Buffer.alloc(1), { last: false }),
      ...Array.from({ length: 1024 }, () => frame(Buffer.alloc(0), { code: 0, last: false })),
    ]),
  ],
  ['is not obfuscated', 1008, frame(Buffer.from('eeeeeeee', 'hex'))],
])('a frame that %s ends the connection with %i', async (_, code, bytes) => {
  const wire = await Wire.upgraded()
  wire.socket.write(bytes)
  await wire.until(() => wire.closed)
  expect([wire.came[0], wire.came.readUInt16BE(2)]).toEqual([0x88, code])
})

test('pings and close frames are answered', async () => {
  const wire = await Wire.upgraded()
  wire.socket.write(frame(Buffer.from('are you there'), { code: 9 }))
  await wire.until(() => wire.came.length >= 15)
  expect(wire.came.toString('latin1')).toBe('\x8a\x0dare you there')
  wire.socket.write(frame(Buffer.from([0x03, 0xe8]), { code: 8 }))
  await wire.until(() => wire.closed)
  expect(wire.came.subarray(15).toString('hex')).toBe('880203e8')
})

test('a server that closes a connection sends a close frame', async () => {
  const wire = await Wire.upgraded()
  // An obfuscated header with an unknown transport.
  const random = randomBytes(64)
  random[0] = 0x11
  random.writeUInt32LE(1, 4)
  wire.socket.write(frame(random))
  await wire.until(() => wire.closed)
  expect(wire.came.subarray(0, 2).toString('hex')).toBe('8802')
})
