import type { Key } from '../../core/subject.js'
import { bytesOf, textOf } from './bytes.js'
import { HASH, hashOf } from './hash.js'

const DEPTH = 4
const WIDTH = 1024

/** An estimate is too high by more than this share of all that was added with a chance of {@link FREQUENCY_RISK} at most. */
export const FREQUENCY_ERROR = Math.E / WIDTH
/** e^-depth (Cormode, Muthukrishnan). */
export const FREQUENCY_RISK = Math.exp(-DEPTH)

/**
 * How often each key came, in 16 KiB however many there are: a count-min sketch (G. Cormode, S. Muthukrishnan, 2005). It never tells
 * too little. Two merge into what one would have been that had seen all.
 */
export class Frequency {
  private constructor(private readonly cells: Uint32Array) {}

  static empty(): Frequency {
    return new Frequency(new Uint32Array(DEPTH * WIDTH))
  }

  /** Undefined for a text that holds no sketch of this kind. */
  static read(text: unknown): Frequency | undefined {
    const bytes = bytesOf(text, DEPTH * WIDTH * 4)
    if (bytes === undefined) return undefined
    const view = new DataView(bytes.buffer)
    return new Frequency(Uint32Array.from({ length: DEPTH * WIDTH }, (_, i) => view.getUint32(i * 4, true)))
  }

  write(): string {
    const view = new DataView(new ArrayBuffer(this.cells.length * 4))
    this.cells.forEach((count, i) => {
      view.setUint32(i * 4, count, true)
    })
    return textOf(new Uint8Array(view.buffer))
  }

  add(key: Key): void {
    hashOf(key)
    const { high, low } = HASH
    for (let row = 0; row < DEPTH; row++) {
      const cell = cellOf(row, high, low)
      // Not above what it can hold: then it tells too little, after four billion updates in a part of the window.
      if ((this.cells[cell] as number) < 0xffff_ffff) this.cells[cell] = (this.cells[cell] as number) + 1
    }
  }

  merge(other: Frequency): void {
    this.cells.forEach((count, i) => {
      this.cells[i] = Math.min(0xffff_ffff, count + (other.cells[i] as number))
    })
  }

  /** At least as often as the key came. */
  estimate(key: Key): number {
    hashOf(key)
    const { high, low } = HASH
    let least = Number.POSITIVE_INFINITY
    for (let row = 0; row < DEPTH; row++) {
      least = Math.min(least, this.cells[cellOf(row, high, low)] as number)
    }
    return least
  }
}

/** Rows differ by a multiple of the second half (A. Kirsch, M. Mitzenmacher, 2006). */
function cellOf(row: number, high: number, low: number): number {
  return row * WIDTH + ((high + Math.imul(row, low | 1)) >>> 22)
}
