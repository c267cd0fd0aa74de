import { checkPrimeSync, createCipheriv, createHash, createHmac, pbkdf2, randomFillSync } from 'node:crypto'
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

/** Maximum length of `pq`, in bytes: "this number is normally less than or equal to 2^63-1". */
export const MOST_PQ = 8
/** Maximum size of an unpacked answer. Telegram's are some hundred kilobytes, but a few packed bytes could unpack to gigabytes. */
const MOST_UNPACKED = 32 * 1024 * 1024

/** The cryptography for mtcute: Node's OpenSSL, and WASM for the rest. */
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
    return gunzipSync(data, { maxOutputLength: MOST_UNPACKED })
  }

  /**
   * Rejects bad values first: anybody on the network path may send a `pq`, and the factors are found in time only if the smaller
   * one has at most 32 bits.
   *
   * @throws Error if `pq` is longer than Telegram's, or not a product.
   */
  override factorizePQ(pq: Uint8Array): ReturnType<BaseCryptoProvider['factorizePQ']> {
    const product = BigInt(`0x${Buffer.from(pq).toString('hex') || '0'}`)
    if (pq.length > MOST_PQ) throw new Error('pq is too long')
    if (product < 4n || checkPrimeSync(product)) throw new Error('pq is prime')
    return super.factorizePQ(pq)
  }

  randomFill(buffer: Uint8Array): void {
    randomFillSync(buffer)
  }
}
