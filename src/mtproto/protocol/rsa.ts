import { constants, createPublicKey, generateKeyPairSync, type KeyObject, privateDecrypt } from 'node:crypto'
import { igeDecrypt } from './ige.js'
import { sha1, sha256 } from './message.js'
import { NO_SCHEMA } from './tl/schema.js'
import { TlWriter } from './tl/writer.js'

/** The RSA key by which a server authenticates itself. */
export interface ServerKey {
  readonly privateKey: KeyObject
  /** Public key for clients, as PEM (PKCS#1). */
  readonly pem: string
  readonly fingerprint: bigint
}

/** Generates a key of 2048 bits. */
export function newServerKey(): ServerKey {
  for (;;) {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const publicKey = createPublicKey(privateKey)
    const fingerprint = fingerprintOf(publicKey)
    // mtcute stores fingerprints with leading zeros but looks them up without, so it would not find such a key.
    if (fingerprint >> 60n === 0n) continue
    return { privateKey, pem: publicKey.export({ type: 'pkcs1', format: 'pem' }).toString(), fingerprint }
  }
}

/** "64 lower-order bits of SHA1" of modulus and exponent in TL encoding (https://core.telegram.org/mtproto/auth_key). */
export function fingerprintOf(key: KeyObject): bigint {
  const { n = '', e = '' } = key.export({ format: 'jwk' })
  const writer = new TlWriter(NO_SCHEMA)
  writer.bytes(Buffer.from(n, 'base64url')).bytes(Buffer.from(e, 'base64url'))
  return sha1(writer.result()).readBigUInt64LE(12)
}

/** Decrypts what a client has encrypted with our public key, padded by the current or the old method; undefined otherwise. */
export function rsaDecrypt(key: ServerKey, encrypted: Uint8Array): Buffer | undefined {
  if (encrypted.byteLength !== 256) return undefined
  let plain: Buffer
  try {
    plain = privateDecrypt({ key: key.privateKey, padding: constants.RSA_NO_PADDING }, encrypted)
  } catch {
    // The value exceeds the modulus, which no honest client sends.
    return undefined
  }
  return unpad(plain) ?? unhash(plain)
}

/** RSA_PAD; 4.1 of https://core.telegram.org/mtproto/auth_key. */
function unpad(plain: Buffer): Buffer | undefined {
  const encrypted = plain.subarray(32)
  const key = sha256(encrypted)
  for (let i = 0; i < 32; i++) key[i] = (key[i] as number) ^ (plain[i] as number)
  const withHash = Buffer.from(igeDecrypt(encrypted, key, Buffer.alloc(32)))
  const data = withHash.subarray(0, 192).reverse()
  return sha256(key, data).equals(withHash.subarray(192)) ? data : undefined
}

/** The padding used before 2021: SHA1(data) + data + padding. The length of the data is not stored, so it is found by its digest. */
function unhash(plain: Buffer): Buffer | undefined {
  // A leading zero, twenty bytes of digest, then the data.
  if (plain[0] !== 0) return undefined
  const digest = plain.subarray(1, 21)
  for (let end = 21 + 96; end <= plain.length; end += 4) {
    const data = plain.subarray(21, end)
    if (sha1(data).equals(digest)) return data
  }
  return undefined
}
