import { gzipSync } from 'node:zlib'
import { GZIP, TlError, TRUE, VECTOR } from '../../src/mtproto/protocol/tl/object.js'
import { TlReader } from '../../src/mtproto/protocol/tl/reader.js'
import { currentSchema } from '../../src/mtproto/protocol/tl/schema.js'
import { TlWriter } from '../../src/mtproto/protocol/tl/writer.js'
import { onServer, server, stranger } from './bare-server.js'

const schema = currentSchema()

/** Encodes vectors that are nested in each other. */
function nested(depth: number): Buffer {
  const writer = new TlWriter(schema)
  for (let nth = 0; nth < depth; nth++) writer.uint(VECTOR).uint(1)
  return writer.uint(TRUE).result()
}

/** Encodes a vector of compressed values, each of which takes a megabyte when unpacked. */
function packed(megabytes: number): Buffer {
  const bytes = Buffer.alloc(1024 * 1024)
  bytes.writeUInt32LE(TRUE)
  const value = gzipSync(bytes)
  const writer = new TlWriter(schema).uint(VECTOR).uint(megabytes)
  for (let nth = 0; nth < megabytes; nth++) writer.uint(GZIP).bytes(value)
  return writer.result()
}

function read(body: Uint8Array): unknown {
  return new TlReader(schema, body).boxed()
}

test('nested vectors are parsed, but not so deep that the stack overflows', () => {
  expect(JSON.stringify(read(nested(90)))).toBe(`${'['.repeat(90)}true${']'.repeat(90)}`)
  expect(() => read(nested(3000))).toThrow(TlError)
  // The limit concerns the depth, not the number of vectors.
  const many = new TlWriter(schema).uint(VECTOR).uint(300)
  for (let nth = 0; nth < 300; nth++) many.uint(VECTOR).uint(0)
  expect(read(many.result())).toHaveLength(300)
})

test('compressed values are parsed, up to a total size per message', () => {
  expect(read(packed(10))).toEqual(Array(10).fill(true))
  expect(() => read(packed(20))).toThrow(TlError)
  const inside = new TlWriter(schema)
    .uint(GZIP)
    .bytes(gzipSync(packed(20)))
    .result()
  expect(() => read(inside)).toThrow(TlError)
})

describe('a server', () => {
  onServer()

  test('closes the connection of an unauthenticated client that sends such a message, and serves others', async () => {
    for (const body of [nested(3000), packed(20)]) {
      const attacker = await stranger()
      attacker.sendPlainly(body)
      await attacker.untilClosed()
    }
    const other = await stranger()
    await other.shakeHands(server.key.pem)
    expect(await other.call({ _: 'help.getConfig' })).toMatchObject({ _: 'config' })
  })
})
