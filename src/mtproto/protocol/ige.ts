import { createCipheriv } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { missingPackages } from './missing-packages.js'

/**
 * From this size on, encryption goes through OpenSSL. Measured: at 4 KiB both ways take the same time, from 16 KiB on OpenSSL is
 * two to three times as fast.
 */
const WORTH_IT = 4096

let wasm: typeof import('@mtcute/wasm') | undefined

/**
 * Loads the WASM, which the functions below need. With a static import a bundle in one file would not start without the package.
 * Within `try` bundlers accept that it is not installed.
 *
 * @throws SentinelError `mtproto.missing` if it is not installed.
 */
export async function loadIge(): Promise<void> {
  if (wasm !== undefined) return
  try {
    const found = await import('@mtcute/wasm')
    found.initSync(readFileSync(found.getWasmUrl()))
    wasm = found
  } catch (cause) {
    throw missingPackages(cause)
  }
}

function loaded(): typeof import('@mtcute/wasm') {
  if (wasm === undefined) throw new Error('IGE is used before loadIge().')
  return wasm
}

/**
 * Encrypts with AES-256-IGE, as in MTProto
 * (https://core.telegram.org/mtproto/description#defining-aes-key-and-initialization-vector). `data` must be a multiple of 16
 * bytes; `key` and `iv` have 32 bytes.
 */
export function igeEncrypt(data: Uint8Array, key: Uint8Array, iv: Uint8Array): Uint8Array {
  if (data.byteLength >= WORTH_IT) return encryptByCbc(data, key, iv)
  return loaded().ige256Encrypt(data, key, iv)
}

/** Decrypts AES-256-IGE. Each block needs the previous plain text, so OpenSSL's CBC cannot be used. */
export function igeDecrypt(data: Uint8Array, key: Uint8Array, iv: Uint8Array): Uint8Array {
  return loaded().ige256Decrypt(data, key, iv)
}

/**
 * Encrypts by means of CBC, because Node's OpenSSL has no IGE. IGE is c[i] = E(p[i] ^ c[i-1]) ^ p[i-1]. With d[i] = c[i] ^ p[i-1]
 * that is d[i] = E((p[i] ^ p[i-2]) ^ d[i-1]): CBC over p[i] ^ p[i-2].
 */
export function encryptByCbc(data: Uint8Array, key: Uint8Array, iv: Uint8Array): Uint8Array {
  const plain = wordsOf(data)
  const before = wordsOf(iv)
  const chained = new Int32Array(plain.length)
  // p[-2] counts as zero; p[-1], which the second block needs, is the second half of the IV.
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

/** A view of the bytes as 32-bit words; a copy if they are not aligned. */
function wordsOf(bytes: Uint8Array): Int32Array {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : Uint8Array.from(bytes)
  return new Int32Array(buffer, byteOffset, byteLength / 4)
}
