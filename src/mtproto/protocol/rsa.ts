import { constants, createPublicKey, generateKeyPairSync, type KeyObject, privateDecrypt } from 'node:crypto'
import { igeDecrypt } from './ige.js'
import { sha1, sha256 } from './message.js'
import { Schema } from './tl/schema.js'
import { TlWriter } from './tl/writer.js'

/** The key that a server proves itself with. */
export interface ServerKey {
  readonly privateKey: KeyObject
  /** For clients, PKCS#1. */
  readonly pem: string
  readonly fingerprint: bigint
}

/** Draws a key of 2048 bits. */
export function newServerKey(): ServerKey {
  for (;;) {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const publicKey = createPublicKey(privateKey)
    const fingerprint = fingerprintOf(publicKey)
    // mtcute files a fingerprint with its leading zeros and looks for it without: it would never find this one.
    if (fingerprint >> 60n === 0n) continue
    return { privateKey, pem: publicKey.export({ type: 'pkcs1', format: 'pem' }).toString(), fingerprint }
  }
}

/** "64 lower-order bits of SHA1" of modulus and exponent as TL has them (https://core.telegram.org/mtproto/auth_key). */
export function fingerprintOf(key: KeyObject): bigint {
  const { n = '', e = '' } = key.export({ format: 'jwk' })
  const writer = new TlWriter(new Schema([], 0))
  writer.bytes(Buffer.from(n, 'base64url')).bytes(Buffer.from(e, 'base64url'))
  return sha1(writer.result()).readBigUInt64LE(12)
}

/** What a client has encrypted for us, in the way of today or the old one; undefined if it is neither. */
export function rsaDecrypt(key: ServerKey, encrypted: Uint8Array): Buffer | undefined {
  if (encrypted.byteLength !== 256) return undefined
  let plain: Buffer
  try {
    plain = privateDecrypt({ key: key.privateKey, padding: constants.RSA_NO_PADDING }, encrypted)
  } catch {
    // Larger than the modulus: nobody who has our key sends that.
    return undefined
  }
  return unpad(plain) ?? unhash(plain)
}

/** RSA_PAD, 4.1 of https://core.telegram.org/mtproto/auth_key. */
function unpad(plain: Buffer): Buffer | undefined {
  const encrypted = plain.subarray(32)
  const key = sha256(encrypted)
  for (let i = 0; i < 32; i++) key[i] = (key[i] as number) ^ (plain[i] as number)
  const withHash = Buffer.from(igeDecrypt(encrypted, key, Buffer.alloc(32)))
  const data = withHash.subarray(0, 192).reverse()
  return sha256(key, data).equals(withHash.subarray(192)) ? data : undefined
}

/** SHA1(data) + data + padding, as before 2021: the hash tells where the data ends, so its object must be read first. */
function unhash(plain: Buffer): Buffer | undefined {
  // A leading zero, twenty bytes of digest, then data of a length that only its digest knows.
  if (plain[0] !== 0) return undefined
  const digest = plain.subarray(1, 21)
  for (let end = 21 + 96; end <= plain.length; end += 4) {
    const data = plain.subarray(21, end)
    if (sha1(data).equals(digest)) return data
  }
  return undefined
}
