import { randomBytes } from 'node:crypto'
import { igeEncrypt } from '../../src/mtproto/protocol/ige.js'
import { authKeyId, encrypt, sha256 } from '../../src/mtproto/protocol/message.js'
import type { TlObject } from '../../src/mtproto/protocol/tl/object.js'
import { currentSchema } from '../../src/mtproto/protocol/tl/schema.js'
import { encodeObject } from '../../src/mtproto/protocol/tl/writer.js'
import { AuthKey } from '../../src/telegram/mtproto/sessions/auth-keys.js'
import { onServer, rpc, server, stranger } from './bare-server.js'
import type { Came, RawClient } from './raw-client.js'

// https://core.telegram.org/mtproto/security_guidelines and https://core.telegram.org/mtproto/auth_key, the parts for servers.

const CONFIG = { _: 'help.getConfig' }

onServer()

let client: RawClient

beforeEach(async () => {
  client = await stranger()
})

/** Replaces fields of the objects whose name matches. */
const wrong =
  (name: RegExp, fields: Readonly<Record<string, Buffer | bigint>>) =>
  (object: TlObject): TlObject =>
    name.test(object._) ? { ...object, ...fields } : object

const INNER = /^mt_p_q_inner_data/
const PRIME_LENGTH = 256
const half = (value: bigint) => Buffer.from(value.toString(16).padStart(PRIME_LENGTH * 2, '0'), 'hex')

describe('the server closes the connection during a key exchange', () => {
  test.each<[string, (object: TlObject) => TlObject]>([
    ['a wrong nonce in the second step', wrong(/^mt_req_DH/, { nonce: randomBytes(16) })],
    [
      'another nonce of the server in the second step',
      wrong(/^mt_req_DH/, { server_nonce: randomBytes(16) }),
    ],
    [
      'wrong factors',
      wrong(/^mt_req_DH/, { p: Buffer.from('53911073', 'hex'), q: Buffer.from('494c553b', 'hex') }),
    ],
    ['a foreign public key', wrong(/^mt_req_DH/, { public_key_fingerprint: 1n })],
    [
      'data that was not encrypted for this server',
      wrong(/^mt_req_DH/, { encrypted_data: Buffer.alloc(256, 1) }),
    ],
    ['data larger than the modulus', wrong(/^mt_req_DH/, { encrypted_data: Buffer.alloc(256, 255) })],
    ['a wrong nonce inside', wrong(INNER, { nonce: randomBytes(16) })],
    ['a wrong server nonce inside', wrong(INNER, { server_nonce: randomBytes(16) })],
    ['a wrong product inside', wrong(INNER, { pq: Buffer.from('17ed48941a08f983', 'hex') })],
    ['a wrong nonce in the third step', wrong(/^mt_set/, { nonce: randomBytes(16) })],
    ['a wrong nonce inside the third step', wrong(/^mt_client/, { nonce: randomBytes(16) })],
    [
      'another nonce of the server inside of the third step',
      wrong(/^mt_client/, { server_nonce: randomBytes(16) }),
    ],
    ['incomplete blocks', wrong(/^mt_set/, { encrypted_data: randomBytes(100) })],
    ['data with a wrong digest', wrong(/^mt_set/, { encrypted_data: randomBytes(320) })],
    ['a public value of 0', wrong(/^mt_client/, { g_b: half(0n) })],
    ['a public value of 1', wrong(/^mt_client/, { g_b: half(1n) })],
    ['a public value below 2^1984', wrong(/^mt_client/, { g_b: half(2n ** 1984n) })],
    ['a public value near the prime', wrong(/^mt_client/, { g_b: Buffer.alloc(256, 255) })],
  ])('for %s', async (_, tamper) => {
    await expect(client.shakeHands(server.key.pem, { tamper })).rejects.toThrow(/closed/)
    expect([...server.keys.all()]).toHaveLength(0)
  })

  test.each(['mt_req_DH_params', 'mt_set_client_DH_params'])('if it begins with %s', async (name) => {
    const object = {
      nonce: randomBytes(16),
      server_nonce: randomBytes(16),
      p: Buffer.alloc(4),
      q: Buffer.alloc(4),
      public_key_fingerprint: 1n,
      encrypted_data: Buffer.alloc(256),
    }
    await expect(
      client.shakeHands(server.key.pem, { tamper: () => ({ _: name, ...object }) }),
    ).rejects.toThrow('closed')
  })

  test('but asks to retry if the new key has the id of an existing one', async () => {
    const { keys } = server
    const taken = new AuthKey(randomBytes(256), 0n, Date.now())
    const find = keys.find.bind(keys)
    keys.find = () => taken
    await expect(client.shakeHands(server.key.pem)).rejects.toThrow('mt_dh_gen_retry')
    keys.find = find
    expect([...keys.all()]).toHaveLength(0)
  })
})

describe('an encrypted message', () => {
  beforeEach(async () => {
    await client.shakeHands(server.key.pem)
  })

  /** Creates an encrypted message with a given padding and length. */
  function message({
    padding = 16,
    length,
  }: {
    readonly padding?: number
    readonly length?: number
  } = {}): Buffer {
    // The constructor and eight more bytes fill the last block, so that a message without padding is possible.
    const body = Buffer.concat([encodeObject(currentSchema(), CONFIG), Buffer.alloc(8)])
    const head = Buffer.alloc(32)
    head.writeBigInt64LE(client.salt, 0)
    head.writeBigInt64LE(client.sessionId, 8)
    head.writeBigUInt64LE(client.nextId(), 16)
    head.writeInt32LE(client.nextSeqNo(true), 24)
    head.writeInt32LE(length ?? body.length, 28)
    const bytes = Buffer.concat([head, body])
    const least = padding + ((16 - ((bytes.length + padding) % 16)) % 16)
    const plain = Buffer.concat([bytes, randomBytes(least)])
    const key = client.authKey
    const msgKey = sha256(key.subarray(88, 120), plain).subarray(8, 24)
    const a = sha256(msgKey, key.subarray(0, 36))
    const b = sha256(key.subarray(40, 76), msgKey)
    const aesKey = Buffer.concat([a.subarray(0, 8), b.subarray(8, 24), a.subarray(24, 32)])
    const iv = Buffer.concat([b.subarray(0, 8), a.subarray(8, 24), b.subarray(24, 32)])
    const id = Buffer.alloc(8)
    id.writeBigUInt64LE(authKeyId(key))
    return Buffer.concat([id, msgKey, igeEncrypt(plain, aesKey, iv)])
  }

  async function isTaken(payload: Buffer): Promise<boolean> {
    client.frame(payload)
    const isConfig = ({ object }: Came) => object._ === 'config'
    const answer = await client.when(() => (client.came.some(isConfig) ? 'config' : client.errors.shift()))
    expect(['config', -404]).toContain(answer)
    return answer === 'config'
  }

  test('must have 12 to 1024 bytes of padding', async () => {
    expect(await isTaken(message({ padding: 12 }))).toBe(true)
    client.came.length = 0
    expect(await isTaken(message({ padding: 1012 }))).toBe(true)
    client.came.length = 0
    expect(await isTaken(message({ padding: 0 }))).toBe(false)
    expect(await isTaken(message({ padding: 1040 }))).toBe(false)
  })

  test.each([-4, 3, 5, 4096, 2 ** 31 - 1])('must not claim a length of %i', async (length) => {
    expect(await isTaken(message({ length }))).toBe(false)
  })

  test('is refused if any bit was changed, before or after the encryption', async () => {
    for (const at of [8, 20, 24, 60, -1]) {
      const changed = message()
      const place = at < 0 ? changed.length + at : at
      changed[place] = (changed[place] as number) ^ 1
      expect(await isTaken(changed)).toBe(false)
    }
    expect(rpc.counts.get('help.getConfig')).toBeUndefined()
  })

  test('is refused if it was encrypted as a message of the server', async () => {
    const envelope = { salt: client.salt, sessionId: client.sessionId, messageId: client.nextId(), seqNo: 1 }
    const body = encodeObject(currentSchema(), CONFIG)
    expect(await isTaken(encrypt(client.authKey, { ...envelope, body }, 'server'))).toBe(false)
  })

  test('is executed once, and its answer repeated, if it arrives several times', async () => {
    const payload = message()
    // A repeated message is acknowledged while it is executed, and answered again afterwards.
    for (let n = 1; n <= 3; n++) {
      client.frame(payload)
      await client.until(() => client.came.filter(({ object }) => object._ === 'config').length === n)
    }
    expect(rpc.counts.get('help.getConfig')).toBe(1)
  })
})
