import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { SentinelError } from '../../core/errors.js'

/** "96 bits is recommended" (NIST SP 800-38D, 5.2.1.1). */
const NONCE = 12
const TAG = 16

/**
 * Encrypts what must not lie open in a storage, by AES-256-GCM. Each is bound to the name it is kept under, so that none can be put in
 * another's place. The first key seals, all open: to change keys put the new one in front, and drop the old when all is sealed anew.
 */
export class Sealing {
  constructor(private readonly keys: readonly Buffer[]) {}

  seal(name: string, plain: Uint8Array): string {
    const [key] = this.keys
    if (key === undefined) return `plain:${Buffer.from(plain).toString('base64')}`
    const nonce = randomBytes(NONCE)
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(name))
    const sealed = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
    return `gcm:${sealed.toString('base64')}`
  }

  /** @throws SentinelError `mtproto.session` for what none of the keys opens. */
  open(name: string, text: string): Buffer {
    const [how, data = ''] = text.split(':', 2)
    const bytes = Buffer.from(data, 'base64')
    if (how === 'plain') return bytes
    if (how === 'gcm' && bytes.length >= NONCE + TAG) {
      for (const key of this.keys) {
        const opened = openWith(key, name, bytes)
        if (opened !== undefined) return opened
      }
    }
    throw new SentinelError(
      'mtproto.session',
      'mtproto.encryptionKeys: none of them opens the session that is stored. Add the key it was sealed with, or use another name.',
    )
  }

  /** Whether it would be sealed otherwise today. */
  isStale(name: string, text: string): boolean {
    const [key] = this.keys
    if (key === undefined) return false
    const [how, data = ''] = text.split(':', 2)
    return how !== 'gcm' || openWith(key, name, Buffer.from(data, 'base64')) === undefined
  }
}

function openWith(key: Buffer, name: string, bytes: Buffer): Buffer | undefined {
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE)).setAAD(Buffer.from(name))
    decipher.setAuthTag(bytes.subarray(-TAG))
    return Buffer.concat([decipher.update(bytes.subarray(NONCE, -TAG)), decipher.final()])
  } catch {
    // Another key, or not what was sealed: which of both, GCM does not tell.
    return undefined
  }
}
