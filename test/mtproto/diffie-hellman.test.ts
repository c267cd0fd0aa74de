import { createDiffieHellman, type DiffieHellman } from 'node:crypto'
import {
  bytes,
  GENERATOR,
  newPrivateKey,
  number,
  PRIME,
  power,
} from '../../src/telegram/mtproto/sessions/diffie-hellman.js'

/* The raw client uses the arithmetic of the server that it tests, so both could have the same error. OpenSSL has its own. */

let openssl: DiffieHellman
beforeAll(() => {
  // It tests the prime, which takes a moment, so one group serves all tests.
  openssl = createDiffieHellman(PRIME, GENERATOR)
})

/** Returns the public key and the shared key of OpenSSL, for a private key and the public key of the other side. */
function exchanged(privateKey: bigint, other: Buffer): readonly [publicKey: bigint, shared: Buffer] {
  openssl.setPrivateKey(bytes(privateKey))
  // A public key comes without the zeros in front; a shared key has them.
  return [number(openssl.generateKeys()), openssl.computeSecret(other)]
}

test('public and shared keys are those of OpenSSL', () => {
  for (let round = 0; round < 20; round++) {
    const [own, others] = [newPrivateKey(), newPrivateKey()]
    const publicKey = bytes(power(BigInt(GENERATOR), own))
    const [othersPublicKey, shared] = exchanged(others, publicKey)
    expect(othersPublicKey).toBe(power(BigInt(GENERATOR), others))
    expect(bytes(power(othersPublicKey, own))).toEqual(shared)
  }
})

test('a private key has at most 256 bits, and each is another', () => {
  const keys = Array.from({ length: 50 }, newPrivateKey)
  expect(new Set(keys).size).toBe(50)
  expect(keys.every((key) => key > 0n && key < 1n << 256n)).toBe(true)
})

test('numbers are encoded in 256 bytes, with zeros in front', () => {
  expect(bytes(1n)).toEqual(Buffer.concat([Buffer.alloc(255), Buffer.of(1)]))
  expect(number(bytes(number(PRIME) - 1n))).toBe(number(PRIME) - 1n)
  expect(number(Buffer.alloc(0))).toBe(0n)
})
