/**
 * A keyed 64-bit digest of texts: HalfSipHash-2-4 by Aumasson and Bernstein
 * (https://github.com/veorq/SipHash), over UTF-16 code units in little-endian order. The key prevents others from turning stored
 * fingerprints back into texts, or flooding hash tables with collisions.
 *
 * Works on 32-bit halves, which JavaScript handles natively: no BigInt, no buffer, no allocation.
 *
 * @example
 * ```ts
 * import { Digest, describe, type Reading } from 'grammy-sentinel'
 *
 * // Two processes that share a secret find the same fingerprints.
 * const reading: Reading = { username: 'shop_bot', digest: Digest.keyed('a secret of yours') }
 * const fingerprintOf = (update: Parameters<typeof describe>[0]) => describe(update, reading).fingerprint
 * ```
 */
export class Digest {
  private v0 = 0
  private v1 = 0
  private v2 = 0
  private v3 = 0
  private low = 0
  private high = 0

  /** Whether the random key has yet to be drawn. */
  private keyless = false

  constructor(
    private key0: number,
    private key1: number,
  ) {}

  /** Creates a digest keyed by a secret text of any length. */
  static keyed(secret: string): Digest {
    const base = new Digest(0x736e746c, 0x67726d79)
    base.run(secret)
    return new Digest(base.low, base.high)
  }

  /**
   * Creates a digest with a random key, for values that never leave this process. The key is drawn on first use: Cloudflare
   * Workers forbid random values while a module is loaded, which is when a sentinel is created.
   */
  static random(): Digest {
    const digest = new Digest(0, 0)
    digest.keyless = true
    return digest
  }

  /** Returns the digest as a whole number below 2^53. */
  number(text: string): number {
    this.run(text)
    return (this.high >>> 11) * 2 ** 32 + (this.low >>> 0)
  }

  /** Returns the digest as 16 hexadecimal digits: the low half, then the high half. */
  hex(text: string): string {
    this.run(text)
    const low = (this.low >>> 0).toString(16).padStart(8, '0')
    return low + (this.high >>> 0).toString(16).padStart(8, '0')
  }

  private draw(): void {
    const [key0 = 0, key1 = 0] = crypto.getRandomValues(new Int32Array(2))
    this.key0 = key0
    this.key1 = key1
    this.keyless = false
  }

  private run(text: string): void {
    if (this.keyless) this.draw()
    this.v0 = this.key0
    this.v1 = this.key1
    this.v2 = 0x6c796765 ^ this.key0
    this.v3 = 0x74656462 ^ this.key1
    this.v1 ^= 0xee
    const whole = text.length & ~1
    for (let i = 0; i < whole; i += 2) this.absorb(text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16))
    const tail = whole === text.length ? 0 : text.charCodeAt(whole)
    this.absorb((((text.length * 2) & 0xff) << 24) | tail)
    this.v2 ^= 0xee
    this.rounds(4)
    this.low = this.v1 ^ this.v3
    this.v1 ^= 0xdd
    this.rounds(4)
    this.high = this.v1 ^ this.v3
  }

  private absorb(word: number): void {
    this.v3 ^= word
    this.rounds(2)
    this.v0 ^= word
  }

  private rounds(count: number): void {
    let { v0, v1, v2, v3 } = this
    for (let i = 0; i < count; i++) {
      v0 = (v0 + v1) | 0
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
      v0 = (v0 << 16) | (v0 >>> 16)
      v2 = (v2 + v3) | 0
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
      v0 = (v0 + v3) | 0
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
      v2 = (v2 + v1) | 0
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
      v2 = (v2 << 16) | (v2 >>> 16)
    }
    this.v0 = v0
    this.v1 = v1
    this.v2 = v2
    this.v3 = v3
  }
}
