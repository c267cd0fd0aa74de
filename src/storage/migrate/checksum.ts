import { Digest } from '../../core/digest.js'

const digest = Digest.keyed('grammy-sentinel migrate')

/**
 * A count of items and a sum of their digests. Independent of the order; detects items that are missing, repeated or different.
 * Guards against mistakes, not against forgery.
 */
export class Checksum {
  count = 0
  private low = 0
  private high = 0

  add(text: string): void {
    const hex = digest.hex(text)
    this.count++
    this.low = (this.low + Number.parseInt(hex.slice(0, 8), 16)) >>> 0
    this.high = (this.high + Number.parseInt(hex.slice(8), 16)) >>> 0
  }

  equals(other: Checksum): boolean {
    return this.count === other.count && this.low === other.low && this.high === other.high
  }

  /** Returns 16 hexadecimal digits. */
  toString(): string {
    return [this.high, this.low].map((half) => half.toString(16).padStart(8, '0')).join('')
  }
}

/**
 * Returns a value as JSON with sorted fields, so that values which are equal but stored differently give the same text. Unpaired
 * surrogates are replaced by U+FFFD, as an encoding to UTF-8 does.
 */
export function canonical(value: unknown): string {
  return JSON.stringify(sorted(value)) ?? 'null'
}

function sorted(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(/\p{Surrogate}/gu, '\ufffd')
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  // Pairs rather than an object: a field may be called `__proto__`, and objects order numeric names first.
  const fields = Object.entries(value).map(([name, held]) => [name, sorted(held)] as const)
  return { fields: fields.filter(([, held]) => held !== undefined).sort(([a], [b]) => (a < b ? -1 : 1)) }
}
