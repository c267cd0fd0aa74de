import { Digest } from '../../core/digest.js'

const digest = Digest.keyed('grammy-sentinel migrate')

/**
 * How many items there are, and a sum over digests of each: the same for the same items in any order, and telling whether one
 * is missing, there twice or another. No defence against forgers: it guards against mistakes.
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

  /** 16 hexadecimal digits. */
  toString(): string {
    return [this.high, this.low].map((half) => half.toString(16).padStart(8, '0')).join('')
  }
}

/**
 * A value as JSON with its fields in order: what two storages write differently and mean alike is one text. Half a character, as a
 * text has that was cut inside an emoji, is what UTF-8 makes of it.
 */
export function canonical(value: unknown): string {
  return JSON.stringify(sorted(value)) ?? 'null'
}

function sorted(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(/\p{Surrogate}/gu, '\ufffd')
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  // Pairs, since a field may be called `__proto__`, and names of digits have an order of their own.
  const fields = Object.entries(value).map(([name, held]) => [name, sorted(held)] as const)
  return { fields: fields.filter(([, held]) => held !== undefined).sort(([a], [b]) => (a < b ? -1 : 1)) }
}
