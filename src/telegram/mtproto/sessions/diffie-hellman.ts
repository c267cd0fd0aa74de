import { randomBytes } from 'node:crypto'

// OpenSSL tests the prime whenever a group is created, which takes a fifth of a second in each file of tests. This prime is known.

/** Telegram's prime, which clients know and need not test (https://core.telegram.org/mtproto/auth_key). */
export const PRIME = Buffer.from(
  'c71caeb9c6b1c9048e6c522f70f13f73980d40238e3e21c14934d037563d930f48198a0aa7c14058229493d22530f4dbfa336f6e0ac925139543aed44cce7c3720fd51f69458705ac68cd4fe6b6b13abdc9746512969328454f18faf8c595f642477fe96bb2a941d5bcd1d4ac8cc49880708fa9b378e3c4f3a9060bee67cf9a4a4a695811051907e162753b56b0f6b410dba74d8a84b2a14b3144e0ef1284754fd17ed950d5965b4b9dd46582db1178d169c6bc465b0d6ff9ca3928fef5b9ae4e418fc15e83ebea0f87fa9ff5eed70050ded2849f47bf959d956850ce929851f0d8115f635b105ee2e4e15d04b2454bf6f4fadf034b10403119cd8e3b92fcc5b',
  'hex',
)
export const GENERATOR = 3
const MODULUS = number(PRIME)

/**
 * Returns a private key of 256 bits. Attacks on the prime cost about as much as guessing 112 bits, and a private key has to be twice
 * as long; one of 2048 bits would take eight times as long to compute with.
 */
export function newPrivateKey(): bigint {
  return number(randomBytes(32))
}

/** Returns a power modulo the prime. The time that this takes reveals the exponent: it is for tests only. */
export function power(base: bigint, exponent: bigint): bigint {
  let [result, square, left] = [1n, base % MODULUS, exponent]
  while (left > 0n) {
    if ((left & 1n) === 1n) result = (result * square) % MODULUS
    square = (square * square) % MODULUS
    left >>= 1n
  }
  return result
}

export function number(data: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(data).toString('hex') || '0'}`)
}

/** Encodes a number in 256 bytes, as key exchanges and SRP require it. */
export function bytes(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(512, '0'), 'hex')
}
