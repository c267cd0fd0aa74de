import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import {
  abridged,
  Buffered,
  full,
  intermediate,
  paddedIntermediate,
} from '../../src/mtproto/protocol/framing.js'
import { encrypt } from '../../src/mtproto/protocol/message.js'
import { TlError } from '../../src/mtproto/protocol/tl/object.js'
import { TlReader } from '../../src/mtproto/protocol/tl/reader.js'
import { currentSchema } from '../../src/mtproto/protocol/tl/schema.js'
import { encodeObject, TlWriter } from '../../src/mtproto/protocol/tl/writer.js'
import { Connection } from '../../src/telegram/mtproto/connections/connection.js'
import { type Random, randomOf } from '../fuzz-updates.js'
import { client, onClient, server } from './bare-server.js'
import { obfuscated } from './obfuscated.js'
import type { Speech } from './raw-client.js'

/** With `FUZZ=1000000`, the test takes some minutes. */
const TIMES = Number(process.env.FUZZ ?? 5000)
const SEED = Number(process.env.SEED ?? 5)
const schema = currentSchema()

/** A socket without a network, and the transport used over it. */
class Pipe extends Duplex {
  sent = 0
  /** Nonces of the client and the server in the current key exchange. */
  nonces: Buffer | undefined
  /** Fingerprint of the server's key. */
  fingerprint = 0n
  readonly #speech: Speech
  readonly #answers = new Buffered()
  /** Whether the transport runs over WebSocket. */
  #web = false

  constructor(speech: () => Speech) {
    super()
    this.#speech = speech()
  }

  begin(random: Random): void {
    this.#web = this.#speech.veil !== undefined && random() < 0.5
    if (this.#web) this.emit('data', Buffer.from(UPGRADE))
    this.#put(this.#speech.opening)
  }

  /** Sends one frame. */
  say(payload: Buffer): void {
    if (payload.length % 4 !== 0 || payload.length === 0) return
    const frame = this.#speech.framing.wrap(payload)
    this.#put(this.#speech.veil?.outgoing(frame) ?? frame)
  }

  /** Returns a message of the key exchange, with as much correct content as an unauthenticated client can have. */
  step(random: Random): Buffer {
    if (this.nonces === undefined || random() < 0.3) {
      return encodeObject(schema, { _: 'mt_req_pq_multi', nonce: noise(random, 16) })
    }
    const nonces = { nonce: this.nonces.subarray(0, 16), server_nonce: this.nonces.subarray(16) }
    if (random() < 0.3) {
      const encrypted_data = noise(random, 16 * Math.ceil(random() * 30))
      return encodeObject(schema, { _: 'mt_set_client_DH_params', ...nonces, encrypted_data })
    }
    return encodeObject(schema, {
      _: 'mt_req_DH_params',
      ...nonces,
      p: Buffer.from('494c553b', 'hex'),
      q: Buffer.from('53911073', 'hex'),
      public_key_fingerprint: this.fingerprint,
      encrypted_data: noise(random, random() < 0.9 ? 256 : 255),
    })
  }

  #put(data: Buffer): void {
    if (!this.#web) {
      this.emit('data', data)
      return
    }
    // A mask of zeros is a valid mask.
    const head = Buffer.from([0x82, data.length < 126 ? 0x80 | data.length : 0xfe])
    const length = data.length < 126 ? Buffer.alloc(0) : Buffer.from([data.length >> 8, data.length & 255])
    this.emit('data', Buffer.concat([head, length, Buffer.alloc(4), data]))
  }

  override _read(): void {}
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.sent += chunk.length
    // `resPQ` contains the nonces. Over other transports it is not read, so later steps have random nonces.
    if (this.#speech.framing === intermediate && !this.#web && this.#speech.veil === undefined) {
      this.#answers.push(chunk)
      const frame = this.#answers.length >= 4 ? intermediate.next(this.#answers) : undefined
      if (frame !== undefined && frame.payload.length > 56 && frame.payload.readUInt32LE(20) === 0x05162463) {
        this.nonces = Buffer.from(frame.payload.subarray(24, 56))
      }
    }
    done()
  }
  setNoDelay(): this {
    return this
  }
}

const UPGRADE = [
  'GET /apiws HTTP/1.1',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Protocol: binary',
  '\r\n',
].join('\r\n')

function noise(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)))
}

/** Changes some bytes, and sometimes truncates or doubles the data. */
function mutated(random: Random, bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  for (let n = Math.ceil(random() * 6); n > 0; n--)
    copy[Math.floor(random() * copy.length)] = Math.floor(random() * 256)
  const chance = random()
  if (chance < 0.2) return copy.subarray(0, Math.floor(random() * copy.length))
  return chance < 0.3 ? Buffer.concat([copy, copy]) : copy
}

/** Returns valid requests to start from. */
function requests(): Buffer[] {
  const known = [
    { _: 'help.getConfig' },
    { _: 'mt_ping', ping_id: 1n },
    { _: 'mt_msgs_ack', msg_ids: [1n, 2n, 3n] },
    { _: 'mt_get_future_salts', num: 10 },
    { _: 'users.getUsers', id: [{ _: 'inputUserSelf' }, { _: 'inputUser', user_id: 1n, access_hash: 2n }] },
    { _: 'updates.getDifference', pts: 1, date: 1, qts: 1 },
    { _: 'messages.sendMessage', peer: { _: 'inputPeerSelf' }, message: 'hello', random_id: 1n },
    { _: 'invokeWithLayer', layer: 200, query: { _: 'help.getNearestDc' } },
  ].map((object) => encodeObject(schema, object))
  const container = new TlWriter(schema).uint(0x73f1f8dc).uint(2)
  for (const body of known.slice(0, 2)) container.long(4n).uint(1).uint(body.length).raw(body)
  return [...known, container.result()]
}

test(`parses ${TIMES} random byte strings, or refuses them with a TlError (seed ${SEED})`, () => {
  const random = randomOf(SEED)
  const ids = [...schema.combinators()].map(({ id }) => id)
  const good = requests()
  for (let n = 0; n < TIMES; n++) {
    const head = Buffer.alloc(4)
    head.writeUInt32LE((ids[Math.floor(random() * ids.length)] as number) >>> 0)
    const blob =
      random() < 0.5
        ? Buffer.concat([head, noise(random, Math.floor(random() * 120))])
        : mutated(random, good[Math.floor(random() * good.length)] as Buffer)
    try {
      new TlReader(schema, blob).boxed()
    } catch (error) {
      if (!(error instanceof TlError)) throw new Error(`blob ${n}: ${blob.toString('hex')}`, { cause: error })
    }
  }
})

describe('a server', () => {
  onClient()

  beforeEach(async () => {
    // After a call, the connection is not closed for silence.
    await client.call({ _: 'help.getConfig' })
  })

  test(`survives ${TIMES} random frames, handshakes and encrypted messages (seed ${SEED})`, async () => {
    const random = randomOf(SEED)
    const good = requests()
    const counts = { closed: 0, answered: 0, handshakes: 0, messages: 0 }
    const numbers = new Map<bigint, number>()
    let pipe: Pipe | undefined
    const before = await heap()
    let most = 0
    for (let n = 0; n < TIMES; n++) {
      if (pipe === undefined || pipe.destroyed || pipe.writableEnded || random() < 0.001) {
        if (pipe !== undefined) {
          if (pipe.destroyed || pipe.writableEnded) counts.closed++
          counts.answered += pipe.sent > 0 ? 1 : 0
          pipe.destroy()
        }
        pipe = new Pipe(SPEECHES[Math.floor(random() * SPEECHES.length)] as () => Speech)
        pipe.fingerprint = BigInt.asIntN(64, server.key.fingerprint)
        new Connection(server, pipe as unknown as Socket)
        pipe.begin(random)
      }
      const body = good[Math.floor(random() * good.length)] as Buffer
      const chance = random()
      if (chance < 0.02) pipe.emit('data', noise(random, Math.ceil(random() * 100)))
      else if (chance < 0.25) {
        counts.handshakes++
        pipe.say(plainly(random, random() < 0.7 ? pipe.step(random) : body, pipe.nonces))
      } else {
        counts.messages++
        const wrong = mutated(random, body)
        const whole = wrong.subarray(0, wrong.length - (wrong.length % 4))
        const sessionId = BigInt(Math.floor(random() * (random() < 0.9 ? 50 : 1e9)))
        const number = numbers.get(sessionId) ?? 0
        if (sessionId < 50) numbers.set(sessionId, number + 1)
        const envelope = {
          salt: random() < 0.97 ? client.salt : 1n,
          sessionId,
          messageId: random() < 0.97 ? client.nextId() : BigInt(Math.floor(random() * 1e9)),
          seqNo: random() < 0.9 ? number * 2 + 1 : Math.floor(random() * 5),
          body: random() < 0.4 ? body : whole,
        }
        const frame = encrypt(client.authKey, envelope, 'client')
        pipe.say(random() < 0.9 ? frame : mutated(random, frame))
      }
      if (n % 200 === 0) await new Promise((done) => setImmediate(done))
      if (n % 50_000 === 49_999) {
        expect(await client.call({ _: 'help.getConfig' })).toMatchObject({ _: 'config' })
        client.came.length = 0
        most = Math.max(most, await heap())
      }
    }
    most = Math.max(most, await heap())
    pipe?.destroy()
    expect(counts.closed).toBeGreaterThan(TIMES / 200)
    expect(counts.answered).toBeGreaterThan(counts.closed / 10)
    expect(await client.call({ _: 'help.getConfig' })).toMatchObject({ _: 'config' })
    const grown = (most - before) / 1e6
    if (process.env.FUZZ !== undefined) {
      console.log(
        JSON.stringify({
          ...counts,
          grownMb: Math.round(grown),
          rssMb: Math.round(process.memoryUsage().rss / 1e6),
        }),
      )
    }
    // Sessions and answers are limited. A leak per frame would exceed this bound.
    expect(grown).toBeLessThan(300)
  }, 3_600_000)
})

/** Returns the memory in use, after garbage collection if it is exposed. */
async function heap(): Promise<number> {
  await new Promise((done) => setImmediate(done))
  ;(globalThis as { gc?: () => void }).gc?.()
  return process.memoryUsage().heapUsed + process.memoryUsage().external
}

/** The transports, as clients open them. */
const SPEECHES: readonly (() => Speech)[] = [
  () => ({ framing: intermediate, opening: Buffer.from('eeeeeeee', 'hex') }),
  () => ({ framing: abridged, opening: Buffer.from([0xef]) }),
  () => ({ framing: paddedIntermediate, opening: Buffer.from('dddddddd', 'hex') }),
  () => ({ framing: full(), opening: Buffer.alloc(0) }),
  () => obfuscated(0xeeeeeeee, intermediate),
]

/** Creates an unencrypted message, often a damaged one. */
function plainly(random: Random, body: Buffer, nonces: Buffer | undefined): Buffer {
  // A later step of the key exchange must contain the nonces to be processed any further.
  const held = Buffer.from(body)
  if (nonces !== undefined && held.length >= 36 && random() < 0.9) nonces.copy(held, 4)
  const message = Buffer.concat([Buffer.alloc(20), held])
  message.writeUInt32LE(held.length, 16)
  return random() < 0.5 ? message : mutated(random, message)
}
