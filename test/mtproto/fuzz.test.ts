import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { intermediate } from '../../src/mtproto/protocol/framing.js'
import { encrypt } from '../../src/mtproto/protocol/message.js'
import { TlError } from '../../src/mtproto/protocol/tl/object.js'
import { TlReader } from '../../src/mtproto/protocol/tl/reader.js'
import { currentSchema } from '../../src/mtproto/protocol/tl/schema.js'
import { encodeObject, TlWriter } from '../../src/mtproto/protocol/tl/writer.js'
import { Connection } from '../../src/telegram/mtproto/connection.js'
import { MtprotoServer } from '../../src/telegram/mtproto/server.js'
import { createClock } from '../../src/telegram/world/clock.js'
import { World } from '../../src/telegram/world/world.js'
import { type Random, randomOf } from '../fuzz-updates.js'
import { RawClient } from './raw-client.js'

/** A million takes some minutes: `FUZZ=1000000`. */
const TIMES = Number(process.env.FUZZ ?? 5000)
const SEED = Number(process.env.SEED ?? 5)
const schema = currentSchema()

/** A socket without a network. */
class Pipe extends Duplex {
  sent = 0
  override _read(): void {}
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.sent += chunk.length
    done()
  }
  setNoDelay(): this {
    return this
  }
}

function noise(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)))
}

/** Some bytes changed, cut off, or doubled. */
function mutated(random: Random, bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  for (let n = Math.ceil(random() * 6); n > 0; n--)
    copy[Math.floor(random() * copy.length)] = Math.floor(random() * 256)
  const chance = random()
  if (chance < 0.2) return copy.subarray(0, Math.floor(random() * copy.length))
  return chance < 0.3 ? Buffer.concat([copy, copy]) : copy
}

/** Requests to begin with: what clients send, and every method there is with whatever in it. */
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

test(`reads ${TIMES} blobs that nobody would send, and refuses each in its own way (seed ${SEED})`, () => {
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
  let server: MtprotoServer
  let client: RawClient

  beforeEach(async () => {
    const world = new World(createClock('real'))
    server = new MtprotoServer(world)
    await server.listen()
    client = await RawClient.connect(server.port)
    await client.shakeHands(server.key.pem)
  })

  afterEach(async () => {
    client.close()
    await server.close()
  })

  test(`takes ${TIMES} frames, handshakes and encrypted messages of nonsense, and serves on (seed ${SEED})`, async () => {
    const random = randomOf(SEED)
    const good = requests()
    let pipe: Pipe | undefined
    let [closed, answered] = [0, 0]
    const before = process.memoryUsage().heapUsed
    for (let n = 0; n < TIMES; n++) {
      if (pipe === undefined || pipe.destroyed) {
        if (pipe !== undefined) {
          closed++
          answered += pipe.sent > 0 ? 1 : 0
        }
        pipe = new Pipe()
        new Connection(server, pipe as unknown as Socket)
        pipe.emit('data', Buffer.from('eeeeeeee', 'hex'))
      }
      const body = good[Math.floor(random() * good.length)] as Buffer
      const chance = random()
      if (chance < 0.15) pipe.emit('data', noise(random, Math.ceil(random() * 100)))
      else if (chance < 0.4) {
        const plain = Buffer.concat([Buffer.alloc(20), random() < 0.5 ? body : noise(random, 40)])
        plain.writeUInt32LE(plain.length - 20, 16)
        pipe.emit('data', intermediate.wrap(mutated(random, plain)))
      } else {
        const wrong = mutated(random, body)
        const whole = wrong.subarray(0, wrong.length - (wrong.length % 4))
        const envelope = {
          salt: random() < 0.9 ? client.salt : 1n,
          sessionId: BigInt(Math.floor(random() * 50)),
          messageId: random() < 0.9 ? client.nextId() : BigInt(Math.floor(random() * 1e9)),
          seqNo: Math.floor(random() * 5),
          body: random() < 0.5 ? body : whole,
        }
        const frame = encrypt(client.authKey, envelope, 'client')
        pipe.emit('data', intermediate.wrap(random() < 0.8 ? frame : mutated(random, frame)))
      }
      if (n % 500 === 0) await new Promise((done) => setImmediate(done))
    }
    expect(closed).toBeGreaterThan(TIMES / 100)
    expect(answered).toBeGreaterThan(closed / 10)
    expect(await client.call({ _: 'help.getConfig' })).toMatchObject({ _: 'config' })
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(300e6)
  }, 600_000)
})
