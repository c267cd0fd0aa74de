import type { Key } from '../../core/subject.js'
import { bytesOf, textOf } from './bytes.js'
import { HASH, hashOf } from './hash.js'

const BITS = 12
const REGISTERS = 2 ** BITS
const ALPHA = 0.7213 / (1 + 1.079 / REGISTERS)

/** The relative standard error of an estimate: 1.04/√m (Flajolet et al.). */
export const DISTINCT_ERROR = 1.04 / Math.sqrt(REGISTERS)

/**
 * Estimates the number of different keys in a fixed 4 KiB: HyperLogLog (P. Flajolet, É. Fusy, O. Gandouet, F. Meunier, 2007),
 * with linear counting for small numbers. Merging two sketches gives the sketch of all their keys.
 */
export class Distinct {
  private constructor(private readonly registers: Uint8Array) {}

  static empty(): Distinct {
    return new Distinct(new Uint8Array(REGISTERS))
  }

  /** Returns undefined if the text is not such a sketch. */
  static read(text: unknown): Distinct | undefined {
    const bytes = bytesOf(text, REGISTERS)
    return bytes === undefined ? undefined : new Distinct(bytes)
  }

  write(): string {
    return textOf(this.registers)
  }

  add(key: Key): void {
    hashOf(key)
    const index = HASH.high >>> (32 - BITS)
    const rank = Math.clz32(HASH.low) + 1
    if (rank > (this.registers[index] as number)) this.registers[index] = rank
  }

  merge(other: Distinct): void {
    const { registers } = this
    for (let i = 0; i < REGISTERS; i++) {
      registers[i] = Math.max(registers[i] as number, other.registers[i] as number)
    }
  }

  get estimate(): number {
    let sum = 0
    let empty = 0
    for (const rank of this.registers) {
      sum += 2 ** -rank
      if (rank === 0) empty++
    }
    const raw = (ALPHA * REGISTERS * REGISTERS) / sum
    return raw <= 2.5 * REGISTERS && empty > 0 ? REGISTERS * Math.log(REGISTERS / empty) : raw
  }
}
