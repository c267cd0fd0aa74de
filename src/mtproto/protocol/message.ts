import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { igeDecrypt, igeEncrypt } from './ige.js'

/** The sender of a message; each side derives other keys. */
type Side = 'client' | 'server'

/** The content of an encrypted message. */
export interface Envelope {
  readonly salt: bigint
  readonly sessionId: bigint
  readonly messageId: bigint
  readonly seqNo: number
  readonly body: Uint8Array
}

/** Length of salt, session id, message id, sequence number and body length. */
const HEADER = 32
/** "12..1024 bytes" (https://core.telegram.org/mtproto/description#encrypted-message-encrypted-data). */
const [LEAST_PADDING, MOST_PADDING] = [12, 1024]

export function sha1(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha1')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

export function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** The key's id: the last eight bytes of its SHA-1. */
export function authKeyId(key: Uint8Array): bigint {
  return sha1(key).readBigUInt64LE(12)
}

/** Key derivation of MTProto 2.0 (https://core.telegram.org/mtproto/description#defining-aes-key-and-initialization-vector). */
function keyAndIv(authKey: Uint8Array, msgKey: Uint8Array, from: Side): readonly [Buffer, Buffer] {
  const x = from === 'client' ? 0 : 8
  const a = sha256(msgKey, authKey.subarray(x, x + 36))
  const b = sha256(authKey.subarray(40 + x, 76 + x), msgKey)
  const key = Buffer.concat([a.subarray(0, 8), b.subarray(8, 24), a.subarray(24, 32)])
  const iv = Buffer.concat([b.subarray(0, 8), a.subarray(8, 24), b.subarray(24, 32)])
  return [key, iv]
}

function digestOf(authKey: Uint8Array, padded: Uint8Array, from: Side): Buffer {
  const x = from === 'client' ? 0 : 8
  return sha256(authKey.subarray(88 + x, 120 + x), padded)
}

export function encrypt(authKey: Uint8Array, envelope: Envelope, from: Side): Buffer {
  const { salt, sessionId, messageId, seqNo, body } = envelope
  const least = HEADER + body.byteLength + LEAST_PADDING
  const padded = Buffer.allocUnsafe(least + ((16 - (least % 16)) % 16))
  padded.writeBigUInt64LE(BigInt.asUintN(64, salt), 0)
  padded.writeBigUInt64LE(BigInt.asUintN(64, sessionId), 8)
  padded.writeBigUInt64LE(BigInt.asUintN(64, messageId), 16)
  padded.writeInt32LE(seqNo, 24)
  padded.writeInt32LE(body.byteLength, 28)
  padded.set(body, HEADER)
  const end = HEADER + body.byteLength
  padded.set(randomBytes(padded.length - end), end)
  const msgKey = digestOf(authKey, padded, from).subarray(8, 24)
  const [key, iv] = keyAndIv(authKey, msgKey, from)
  const out = Buffer.allocUnsafe(24 + padded.length)
  out.writeBigUInt64LE(authKeyId(authKey), 0)
  out.set(msgKey, 8)
  out.set(igeEncrypt(padded, key, iv), 24)
  return out
}

/**
 * A decrypted envelope, with the token of its quick acknowledgement: the first 32 bits of the digest that `msg_key` is the middle
 * of.
 */
interface Opened extends Envelope {
  readonly token: number
}

/** Decrypts a message; undefined for messages to be dropped according to https://core.telegram.org/mtproto/security_guidelines. */
export function decrypt(authKey: Uint8Array, message: Uint8Array, from: Side): Opened | undefined {
  const cipher = message.subarray(24)
  if (cipher.byteLength < HEADER + LEAST_PADDING || cipher.byteLength % 16 !== 0) return undefined
  const msgKey = message.subarray(8, 24)
  const [key, iv] = keyAndIv(authKey, msgKey, from)
  const plain = Buffer.from(igeDecrypt(cipher, key, iv))
  // Must precede any other check: reactions to the content would leak information about the plain text.
  const digest = digestOf(authKey, plain, from)
  if (!timingSafeEqual(msgKey, digest.subarray(8, 24))) return undefined
  const length = plain.readInt32LE(28)
  const padding = plain.length - HEADER - length
  if (length < 0 || length % 4 !== 0 || padding < LEAST_PADDING || padding > MOST_PADDING) return undefined
  return {
    salt: plain.readBigInt64LE(0),
    sessionId: plain.readBigInt64LE(8),
    messageId: plain.readBigUInt64LE(16),
    seqNo: plain.readInt32LE(24),
    body: plain.subarray(HEADER, HEADER + length),
    token: digest.readUInt32LE(0),
  }
}

/**
 * Decrypts the message that binds a temporary key, which is encrypted in MTProto 1.0 with the permanent key
 * (https://core.telegram.org/method/auth.bindTempAuthKey). Undefined for anything else.
 */
export function decryptBinding(
  authKey: Uint8Array,
  message: Uint8Array,
): { readonly messageId: bigint; readonly body: Buffer } | undefined {
  if (message.byteLength < 24 + 80 || (message.byteLength - 24) % 16 !== 0) return undefined
  const msgKey = message.subarray(8, 24)
  const part = (from: number, to: number) => authKey.subarray(from, to)
  const a = sha1(msgKey, part(0, 32))
  const b = sha1(part(32, 48), msgKey, part(48, 64))
  const c = sha1(part(64, 96), msgKey)
  const d = sha1(msgKey, part(96, 128))
  const key = Buffer.concat([a.subarray(0, 8), b.subarray(8, 20), c.subarray(4, 16)])
  const iv = Buffer.concat([a.subarray(8, 20), b.subarray(0, 8), c.subarray(16, 20), d.subarray(0, 8)])
  const plain = Buffer.from(igeDecrypt(message.subarray(24), key, iv))
  const length = plain.readInt32LE(28)
  if (length !== 40) return undefined
  if (!timingSafeEqual(sha1(plain.subarray(0, HEADER + length)).subarray(4, 20), msgKey)) return undefined
  return { messageId: plain.readBigUInt64LE(16), body: plain.subarray(HEADER, HEADER + length) }
}
