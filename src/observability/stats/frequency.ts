import type { Key } from '../../core/subject.js'
import { bytesOf, textOf } from './bytes.js'
import { HASH, hashOf } from './hash.js'

const DEPTH = 4
const WIDTH = 1024

/** With a chance of at most e^-depth, an estimate is too high by more than this share of all additions (Cormode, Muthukrishnan). */
export const FREQUENCY_ERROR = Math.E / WIDTH

/**
 * Estimates how often each key was added, in a fixed 16 KiB: a count-min sketch (G. Cormode, S. Muthukrishnan, 2005). An estimate
 * is never too low. Merging two sketches gives the sketch of all their additions.
 */
export class Frequency {
  private constructor(private readonly cells: Uint32Array) {}

  static empty(): Frequency {
    return new Frequency(new Uint32Array(DEPTH * WIDTH))
  }

  /** Returns undefined if the text is not such a sketch. */
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
      // Counts stop at the maximum, so estimates may be too low after four billion updates in one part of the window.
      if ((this.cells[cell] as number) < 0xffff_ffff) this.cells[cell] = (this.cells[cell] as number) + 1
    }
  }

  merge(other: Frequency): void {
    this.cells.forEach((count, i) => {
      this.cells[i] = Math.min(0xffff_ffff, count + (other.cells[i] as number))
    })
  }

  /** Returns an upper bound for how often the key was added. */
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

/** Derives the hash of each row from two halves of one hash (A. Kirsch, M. Mitzenmacher, 2006). */
function cellOf(row: number, high: number, low: number): number {
  return row * WIDTH + ((high + Math.imul(row, low | 1)) >>> 22)
}
