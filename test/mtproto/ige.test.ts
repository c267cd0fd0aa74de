import { ige256Encrypt } from '@mtcute/wasm'
import fc from 'fast-check'
import { encryptByCbc, igeDecrypt, igeEncrypt, loadIge } from '../../src/mtproto/protocol/ige.js'

beforeAll(loadIge)

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const blocks = fc.integer({ min: 1, max: 700 }).chain((count) => bytes(count * 16))

test('encrypts exactly as the reference implementation does, at any memory alignment', () => {
  fc.assert(
    fc.property(blocks, bytes(32), bytes(32), fc.nat(3), (data, key, iv, offset) => {
      const shifted = new Uint8Array(data.length + offset).subarray(offset)
      shifted.set(data)
      expect(Buffer.from(encryptByCbc(shifted, key, iv)).equals(ige256Encrypt(data, key, iv))).toBe(true)
      expect(Buffer.from(igeDecrypt(igeEncrypt(shifted, key, iv), key, iv)).equals(data)).toBe(true)
    }),
    { numRuns: 200 },
  )
})

test('does not modify its input', () => {
  const data = new Uint8Array(16_384).fill(7)
  igeEncrypt(data, new Uint8Array(32), new Uint8Array(32))
  expect(data.every((byte) => byte === 7)).toBe(true)
})
