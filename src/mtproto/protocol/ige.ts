import { createCipheriv } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { getWasmUrl, ige256Decrypt, ige256Encrypt, initSync } from '@mtcute/wasm'

/**
 * Below this many bytes the call into OpenSSL costs more than it saves. Measured: at 4 KiB both take the same time, at 16 KiB
 * and above OpenSSL's way is two to three times as fast.
 */
const WORTH_IT = 4096

let ready = false

function prepare(): void {
  if (ready) return
  initSync(readFileSync(getWasmUrl()))
  ready = true
}

/**
 * AES-256-IGE, which MTProto encrypts with (https://core.telegram.org/mtproto/description#defining-aes-key-and-initialization-vector).
 * `data` is a multiple of 16 bytes, `key` and `iv` are 32 each.
 */
export function igeEncrypt(data: Uint8Array, key: Uint8Array, iv: Uint8Array): Uint8Array {
  if (data.byteLength >= WORTH_IT) return encryptByCbc(data, key, iv)
  prepare()
  return ige256Encrypt(data, key, iv)
}

/** The way back. A block of the plain text needs the one before it, so OpenSSL cannot help here. */
export function igeDecrypt(data: Uint8Array, key: Uint8Array, iv: Uint8Array): Uint8Array {
  prepare()
  return ige256Decrypt(data, key, iv)
}

/**
 * OpenSSL in Node has no IGE, but CBC, and one follows from the other. IGE is c[i] = E(p[i] ^ c[i-1]) ^ p[i-1]. With
 * d[i] = c[i] ^ p[i-1] that is d[i] = E((p[i] ^ p[i-2]) ^ d[i-1]): CBC over p[i] ^ p[i-2].
 */
export function encryptByCbc(data: Uint8Array, key: Uint8Array, iv: Uint8Array): Uint8Array {
  const plain = wordsOf(data)
  const before = wordsOf(iv)
  const chained = new Int32Array(plain.length)
  // The first block has no second one before it, the second has the one that the vector gives.
  for (let i = 0; i < 4; i++) chained[i] = plain[i] as number
  for (let i = 4; i < 8 && i < plain.length; i++) chained[i] = (plain[i] as number) ^ (before[i] as number)
  for (let i = 8; i < plain.length; i++) chained[i] = (plain[i] as number) ^ (plain[i - 8] as number)
  const cipher = createCipheriv('aes-256-cbc', key, iv.subarray(0, 16)).setAutoPadding(false)
  const out = cipher.update(new Uint8Array(chained.buffer))
  cipher.final()
  const words = wordsOf(out)
  for (let i = 0; i < 4; i++) words[i] = (words[i] as number) ^ (before[i + 4] as number)
  for (let i = 4; i < words.length; i++) words[i] = (words[i] as number) ^ (plain[i - 4] as number)
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength)
}

/** The same bytes four at a time; a copy where they lie across words. */
function wordsOf(bytes: Uint8Array): Int32Array {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : Uint8Array.from(bytes)
  return new Int32Array(buffer, byteOffset, byteLength / 4)
}
