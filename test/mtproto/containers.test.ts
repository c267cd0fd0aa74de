import { gzipSync } from 'node:zlib'
import { CONTAINER, COPY, GZIP, type TlObject } from '../../src/mtproto/protocol/tl/object.js'
import { currentSchema } from '../../src/mtproto/protocol/tl/schema.js'
import { encodeObject, TlWriter } from '../../src/mtproto/protocol/tl/writer.js'
import { client, onClient, server } from './bare-server.js'
import type { Came } from './raw-client.js'

// https://core.telegram.org/mtproto/service_messages#containers, and the rules about ids and sequence numbers of messages.

const CONFIG = { _: 'help.getConfig' }
const PING = { _: 'mt_ping', ping_id: 7n }
const schema = currentSchema()
const signed = (id: bigint) => BigInt.asIntN(64, id)

onClient()

const named = (name: string) => client.until(({ object }) => object._ === name)

async function complaint(id: bigint): Promise<unknown> {
  const isOf = ({ object }: Came) =>
    object._ === 'mt_bad_msg_notification' && object.bad_msg_id === signed(id)
  return (await client.until(isOf)).object.error_code
}

describe('containers', () => {
  const container = (...parts: readonly (readonly [bigint, number, Buffer])[]) => {
    const writer = new TlWriter(schema).uint(CONTAINER).uint(parts.length)
    for (const [id, seqNo, body] of parts) writer.long(id).uint(seqNo).uint(body.length).raw(body)
    return Buffer.from(writer.result())
  }
  const config = encodeObject(schema, CONFIG)

  test('hold up to 1020 messages', async () => {
    const many = Array.from({ length: 1020 }, () => PING)
    client.sendContainer(many)
    await client.until(() => client.came.filter(({ object }) => object._ === 'mt_pong').length === 1020)
  })

  test('group the answers to grouped calls, and a single answer needs no container', async () => {
    client.send(CONFIG)
    await client.until(({ object }) => object._ === 'config')
    client.containers.length = 0
    client.came.length = 0
    const { ids } = client.sendContainer([PING, CONFIG, PING, CONFIG])
    const answered = await client.when(() => {
      const answers = client.came.filter(
        ({ answers, object }) => answers !== undefined || object._ === 'mt_pong',
      )
      return answers.length === 4 ? answers : undefined
    })
    const [together] = client.containers
    expect(together?.parts).toEqual(expect.arrayContaining(answered.map(({ messageId }) => messageId)))
    // https://core.telegram.org/mtproto/description#message-identifier-msg-id
    for (const id of together?.parts ?? []) expect(together?.messageId).toBeGreaterThan(id)
    expect((together?.messageId ?? 0n) % 4n).toBe(1n)
    expect((together?.seqNo ?? 1) % 2).toBe(0)
    for (const { seqNo } of answered) expect(together?.seqNo).toBeGreaterThanOrEqual(seqNo)
    expect(answered.flatMap(({ answers }) => answers ?? [])).toEqual([ids[1], ids[3]])

    client.containers.length = 0
    await client.call(CONFIG)
    expect(client.containers.flatMap(({ parts }) => parts)).toHaveLength(0)
  })

  test('place errors last, because some clients stop reading after an error', async () => {
    const { ids } = client.sendContainer([
      { _: 'updates.getState' },
      CONFIG,
      { _: 'updates.getState' },
      CONFIG,
    ])
    const answered = await client.when(() => {
      const answers = client.came.filter(({ answers }) => answers !== undefined && ids.includes(answers))
      return answers.length === 4 ? answers : undefined
    })
    const refusals = answered.filter(({ object }) => object._ === 'mt_rpc_error')
    expect(refusals).toHaveLength(2)
    const before = client.containers.flatMap(({ parts }) => parts.slice(0, -1))
    for (const { messageId } of refusals) expect(before).not.toContain(messageId)
  })

  test('cannot be nested, and parts must not be later than the container', async () => {
    const inner = client.nextId()
    const id = client.nextId()
    client.sendBody(container([inner, 0, container()]), { messageId: id, seqNo: 0 })
    expect(await complaint(inner)).toBe(64)
    const early = client.nextId()
    client.sendBody(container([client.nextId(), 1, config]), { messageId: early, seqNo: 2 })
    expect(await complaint(early)).toBe(64)
  })

  test('with wrong lengths are refused as a whole', async () => {
    const cut = container([client.nextId(), 1, config]).subarray(0, -4)
    expect(await complaint(client.sendBody(cut, { content: false }))).toBe(64)
    const odd = container([client.nextId(), 1, config])
    odd.writeInt32LE(3, 20)
    expect(await complaint(client.sendBody(odd, { content: false }))).toBe(64)
  })

  test('have even sequence numbers, and are accepted once', async () => {
    const odd = client.nextId()
    client.sendBody(container(), { messageId: odd, seqNo: 1 })
    expect(await complaint(odd)).toBe(34)
    const { container: id } = client.sendContainer([CONFIG])
    await named('config')
    client.sendBody(container(), { messageId: id, seqNo: 2 })
    expect(await complaint(id)).toBe(19)
  })

  test('with one wrong part are refused only in that part', async () => {
    const [old, good, id] = [client.nextId(-400), client.nextId(), client.nextId()]
    client.sendBody(container([old, 1, config], [good, 1, config]), { messageId: id, seqNo: 2 })
    expect(await complaint(old)).toBe(16)
    expect((await client.until(({ answers }) => answers === good)).object._).toBe('config')
  })
})

describe('copies', () => {
  /** Encodes a copy of a message, boxed or bare. */
  const copy = (id: bigint, seqNo: number, body: Uint8Array, bare = false) => {
    const writer = new TlWriter(schema).uint(COPY)
    if (!bare) writer.uint(0x5bb8e511)
    return writer.long(id).uint(seqNo).uint(body.length).raw(body).result()
  }
  const config = encodeObject(schema, CONFIG)
  const answerTo = (id: bigint) => client.until(({ answers }) => answers === id)
  const acknowledged = (...ids: bigint[]) =>
    client.until(() => {
      const all = client.came.flatMap(({ object }) =>
        object._ === 'mt_msgs_ack' ? (object.msg_ids as bigint[]) : [],
      )
      return ids.every((id) => all.includes(signed(id)))
    })

  test.each([
    ['boxed', false],
    ['bare', true],
  ])('bring messages whose own id is too old, which are answered under that id: %s', async (_, bare) => {
    const old = client.nextId(-400)
    client.send(CONFIG, { messageId: old, seqNo: 1 })
    expect(await complaint(old)).toBe(16)
    const id = client.sendBody(copy(old, 1, config, bare))
    expect((await answerTo(old)).object._).toBe('config')
    await acknowledged(id)
  })

  test('of received messages are acknowledged with them, and nothing is executed twice', async () => {
    let runs = 0
    const run = server.run.bind(server)
    server.run = (session, request, id) => {
      runs++
      return run(session, request, id)
    }
    const first = client.nextId()
    client.send(CONFIG, { messageId: first })
    await answerTo(first)
    const id = client.sendBody(copy(first, 1, config))
    await acknowledged(id, first)
    await client.call(CONFIG)
    expect(runs).toBe(2)
    expect(client.came.filter(({ answers }) => answers === first)).toHaveLength(1)
  })

  test('are accepted in containers, but must not contain containers, copies or later messages', async () => {
    const [old, id] = [client.nextId(-400), client.nextId()]
    const part = copy(old, 1, config)
    const writer = new TlWriter(schema).uint(CONTAINER).uint(1)
    writer.long(id).uint(client.nextSeqNo(true)).uint(part.length).raw(part)
    client.sendBody(writer.result(), { content: false })
    await answerTo(old)

    const [within, twice] = [client.nextId(), client.nextId()]
    client.sendBody(copy(within, 0, new TlWriter(schema).uint(CONTAINER).uint(0).result()))
    expect(await complaint(within)).toBe(64)
    client.sendBody(copy(twice, 1, part))
    expect(await complaint(twice)).toBe(64)
    const [early, late] = [client.nextId(), client.nextId()]
    client.sendBody(copy(late, 1, config), { messageId: early })
    expect(await complaint(early)).toBe(64)
    expect(await complaint(client.sendBody(copy(old, 1, config).subarray(0, -4)))).toBe(64)
  })
})

test.each<[string, readonly [number, number], 32 | 33]>([
  ['later with a lower sequence number', [3, 1], 32],
  ['later with the same sequence number', [3, 3], 32],
  ['earlier with a higher sequence number', [1, 3], 33],
])('a message that is sent %s is refused', async (_, [first, second], code) => {
  const [early, late] = [client.nextId(), client.nextId()]
  const ids = code === 32 ? [early, late] : [late, early]
  client.send(CONFIG, { messageId: ids[0] as bigint, seqNo: first })
  await client.until(({ answers }) => answers === ids[0])
  client.send(CONFIG, { messageId: ids[1] as bigint, seqNo: second })
  expect(await complaint(ids[1] as bigint)).toBe(code)
})

describe('gzip', () => {
  test('is accepted in a message and in a part of a container', async () => {
    const packed = (object: TlObject) =>
      new TlWriter(schema)
        .uint(GZIP)
        .bytes(gzipSync(encodeObject(schema, object)))
        .result()
    const id = client.sendBody(packed(CONFIG))
    expect((await client.until(({ answers }) => answers === id)).object._).toBe('config')
    const inner = client.nextId()
    const body = packed({ _: 'help.getNearestDc' })
    const writer = new TlWriter(schema).uint(CONTAINER).uint(1)
    writer.long(inner).uint(client.nextSeqNo(true)).uint(body.length).raw(body)
    client.sendBody(writer.result(), { content: false })
    expect((await client.until(({ answers }) => answers === inner)).object._).toBe('nearestDc')
  })

  test('is used for long answers', async () => {
    server.run = async () => ({ _: 'mt_rpc_error', error_code: 400, error_message: 'x'.repeat(5000) })
    const answer = await client.call(CONFIG)
    expect(answer).toMatchObject({ error_message: 'x'.repeat(5000) })
    expect(client.packed).toBeGreaterThan(0)
  })

  test('of an excessive size is refused', async () => {
    const bomb = new TlWriter(schema).uint(GZIP).bytes(gzipSync(Buffer.alloc(64 * 1024 * 1024)))
    const id = client.sendBody(bomb.result())
    const { object } = await client.until(({ answers }) => answers === id)
    expect(object.error_message).toMatch(/^INPUT_FETCH_ERROR/)
  })
})
