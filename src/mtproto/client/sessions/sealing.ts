import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { SentinelError } from '../../../core/errors.js'

/** "96 bits is recommended" (NIST SP 800-38D, 5.2.1.1). */
const NONCE = 12
const TAG = 16

interface Key {
  /** Identifies the key: 32 bits of its digest reveal nothing about 256 random bits. */
  readonly id: string
  readonly bytes: Buffer
}

/**
 * Encrypts secrets in a storage with AES-256-GCM. Each ciphertext is bound to the name it is stored under, so that it cannot be
 * moved to another. The first key encrypts, all keys decrypt: to rotate keys, put the new one in front, and drop the old one once
 * everything is encrypted with the new one.
 */
export class Sealing {
  readonly #keys: readonly Key[]

  constructor(keys: readonly Buffer[]) {
    this.#keys = keys.map((bytes) => ({ id: idOf(bytes), bytes }))
  }

  seal(name: string, plain: Uint8Array): string {
    const [key] = this.#keys
    if (key === undefined) return `plain:${Buffer.from(plain).toString('base64')}`
    const nonce = randomBytes(NONCE)
    const cipher = createCipheriv('aes-256-gcm', key.bytes, nonce).setAAD(Buffer.from(name))
    const sealed = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
    return `gcm:${key.id}:${sealed.toString('base64')}`
  }

  /**
   * @throws SentinelError `mtproto.session` if no key fits or the ciphertext was changed; with keys also for unencrypted values,
   * which anybody with write access could have put there.
   */
  open(name: string, text: string): Buffer {
    const { how, id, bytes } = partsOf(text)
    if (how === 'plain' && this.#keys.length === 0) return bytes
    if (how === 'plain') throw unsealed(name)
    const key = this.#keys.find((each) => each.id === id)
    if (how === 'gcm' && key === undefined) throw this.#wrongKey(id)
    const opened = key === undefined ? undefined : openWith(key.bytes, name, bytes)
    if (opened !== undefined) return opened
    throw new SentinelError(
      'mtproto.session',
      `mtproto: the data stored for the session ${name.split(':')[0]} are not those that were encrypted: they were changed, cut or moved. Log in again under another name.`,
    )
  }

  /** Whether the value should be encrypted again with the current first key. */
  isStale(text: string): boolean {
    const [key] = this.#keys
    if (key === undefined) return false
    const { how, id } = partsOf(text)
    return how !== 'gcm' || id !== key.id
  }

  #wrongKey(id: string): SentinelError {
    const own = this.#keys.map((key) => key.id).join(', ')
    const there = own === '' ? 'no key was given' : `these were given: ${own}`
    return new SentinelError(
      'mtproto.session',
      `mtproto.encryptionKeys: the stored session was encrypted with key ${id}, but ${there}. Add that key after the new one, or use another name.`,
    )
  }
}

function unsealed(name: string): SentinelError {
  return new SentinelError(
    'mtproto.session',
    `mtproto.encryptionKeys: the data stored for the session ${name.split(':')[0]} are not encrypted, so anybody could have written them. If they are yours, move them: exportSession() without keys, then importSession() with keys, under another name.`,
  )
}

function idOf(key: Buffer): string {
  return createHash('sha256').update('grammy-sentinel sealing').update(key).digest('hex').slice(0, 8)
}

function partsOf(text: string): { readonly how: string; readonly id: string; readonly bytes: Buffer } {
  const parts = text.split(':')
  return {
    how: parts[0] ?? '',
    id: parts.length > 2 ? (parts[1] ?? '') : '',
    bytes: Buffer.from(parts.at(-1) ?? '', 'base64'),
  }
}

function openWith(key: Buffer, name: string, bytes: Buffer): Buffer | undefined {
  if (bytes.length < NONCE + TAG) return undefined
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE)).setAAD(Buffer.from(name))
    decipher.setAuthTag(bytes.subarray(-TAG))
    return Buffer.concat([decipher.update(bytes.subarray(NONCE, -TAG)), decipher.final()])
  } catch {
    // GCM does not reveal what is wrong.
    return undefined
  }
}
