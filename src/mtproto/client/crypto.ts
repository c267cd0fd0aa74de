import { createCipheriv, createHash, createHmac, pbkdf2, randomFillSync } from 'node:crypto'
import { promisify } from 'node:util'
import { deflateSync, gunzipSync } from 'node:zlib'
import {
  BaseCryptoProvider,
  type IAesCtr,
  type ICryptoProvider,
  type IEncryptionScheme,
} from '@mtcute/core/utils.js'
import { igeDecrypt, igeEncrypt } from '../protocol/ige.js'

const derive = promisify(pbkdf2)

/** What mtcute computes with: OpenSSL where Node has it, WASM where it has not. */
export class NodeCrypto extends BaseCryptoProvider implements ICryptoProvider {
  sha1(data: Uint8Array): Uint8Array {
    return createHash('sha1').update(data).digest()
  }

  sha256(data: Uint8Array): Uint8Array {
    return createHash('sha256').update(data).digest()
  }

  pbkdf2(
    password: Uint8Array,
    salt: Uint8Array,
    iterations: number,
    length = 64,
    algorithm = 'sha512',
  ): Promise<Uint8Array> {
    return derive(password, salt, iterations, length, algorithm)
  }

  hmacSha256(data: Uint8Array, key: Uint8Array): Uint8Array {
    return createHmac('sha256', key).update(data).digest()
  }

  createAesCtr(key: Uint8Array, iv: Uint8Array): IAesCtr {
    const cipher = createCipheriv('aes-256-ctr', key, iv)
    return { process: (data) => cipher.update(data) }
  }

  createAesIge(key: Uint8Array, iv: Uint8Array): IEncryptionScheme {
    return {
      encrypt: (data) => igeEncrypt(data, key, iv),
      decrypt: (data) => igeDecrypt(data, key, iv),
    }
  }

  gzip(data: Uint8Array, most: number): Uint8Array | null {
    const packed = deflateSync(data)
    return packed.byteLength <= most ? packed : null
  }

  gunzip(data: Uint8Array): Uint8Array {
    return gunzipSync(data)
  }

  randomFill(buffer: Uint8Array): void {
    randomFillSync(buffer)
  }
}
