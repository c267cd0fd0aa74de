import { randomBytes } from 'node:crypto'
import { igeEncrypt } from '../../src/mtproto/protocol/ige.js'
import { authKeyId, sha1 } from '../../src/mtproto/protocol/message.js'
import type { TlObject } from '../../src/mtproto/protocol/tl/object.js'
import { currentSchema } from '../../src/mtproto/protocol/tl/schema.js'
import { encodeObject } from '../../src/mtproto/protocol/tl/writer.js'
import type { RawClient } from './raw-client.js'

const inSigned = (id: bigint) => BigInt.asIntN(64, id)

/** Parts of a binding to falsify. */
export interface Wrong {
  /** Fields of the encrypted part. */
  readonly inner?: Readonly<Record<string, bigint | number>>
  /** Fields of the call. */
  readonly outer?: Readonly<Record<string, bigint | number>>
  /** The id of the encrypted message. */
  readonly messageId?: bigint
  /** A key in place of the permanent key for the encryption. */
  readonly key?: Buffer
  /** Changes a bit of the encrypted message. */
  readonly tampered?: boolean
}

/** Binds a client's temporary key (https://core.telegram.org/method/auth.bindTempAuthKey), and returns the answer. */
export async function bind(client: RawClient, permanent: Buffer, wrong: Wrong = {}): Promise<TlObject> {
  const messageId = client.nextId()
  const common = {
    nonce: randomBytes(8).readBigInt64LE(),
    perm_auth_key_id: inSigned(authKeyId(permanent)),
    expires_at: Math.floor(Date.now() / 1000) + 3600,
  }
  const inner = encodeObject(currentSchema(), {
    _: 'mt_bind_auth_key_inner',
    ...common,
    temp_auth_key_id: inSigned(authKeyId(client.authKey)),
    temp_session_id: client.sessionId,
    ...wrong.inner,
  })
  const encrypted_message = encryptV1(wrong.key ?? permanent, inner, wrong.messageId ?? messageId)
  if (wrong.tampered === true) encrypted_message[50] = (encrypted_message[50] as number) ^ 1
  client.send({ _: 'auth.bindTempAuthKey', ...common, encrypted_message, ...wrong.outer }, { messageId })
  return (await client.until(({ answers }) => answers === messageId)).object
}

/** Encrypts with MTProto 1.0 (https://core.telegram.org/mtproto/description_v1), which bindings use. */
function encryptV1(key: Buffer, body: Buffer, messageId: bigint): Buffer {
  const head = Buffer.alloc(32)
  randomBytes(16).copy(head)
  head.writeBigUInt64LE(messageId, 16)
  head.writeInt32LE(0, 24)
  head.writeInt32LE(body.length, 28)
  const plain = Buffer.concat([head, body])
  const msgKey = sha1(plain).subarray(4, 20)
  const part = (from: number, to: number) => key.subarray(from, to)
  const a = sha1(msgKey, part(0, 32))
  const b = sha1(part(32, 48), msgKey, part(48, 64))
  const c = sha1(part(64, 96), msgKey)
  const d = sha1(msgKey, part(96, 128))
  const aesKey = Buffer.concat([a.subarray(0, 8), b.subarray(8, 20), c.subarray(4, 16)])
  const iv = Buffer.concat([a.subarray(8, 20), b.subarray(0, 8), c.subarray(16, 20), d.subarray(0, 8)])
  const padded = Buffer.concat([plain, randomBytes((16 - (plain.length % 16)) % 16)])
  const id = Buffer.alloc(8)
  id.writeBigUInt64LE(authKeyId(key))
  return Buffer.concat([id, msgKey, igeEncrypt(padded, aesKey, iv)])
}
