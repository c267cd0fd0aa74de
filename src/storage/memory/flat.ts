import { depthOf } from '../../core/limit.js'
import type { Column } from './layout.js'

/**
 * The numbers of a plan by check, in typed arrays, because reading them from objects costs more than the arithmetic. Also caches
 * which checks the last costs ask for: most asks share their costs list, and it names few of the checks.
 */
export class FlatPlan {
  readonly codes: Uint8Array
  readonly scopes: Uint8Array
  readonly offsets: Int32Array
  readonly amounts: Float64Array
  readonly pers: Float64Array
  readonly depths: Float64Array
  readonly traits: Uint8Array
  /** Indexes of the checks that the last costs ask for, in order; `askedCount` of them are valid. */
  readonly asked: Uint8Array
  askedCount = 0
  askedCosts: readonly number[] | undefined
  /** By check: what the current ask would charge. */
  readonly pending: Float64Array

  constructor(columns: readonly Column[]) {
    this.codes = Uint8Array.from(columns, (column) => column.code)
    this.scopes = Uint8Array.from(columns, (column) => column.scope)
    this.offsets = Int32Array.from(columns, (column) => column.offset)
    this.amounts = Float64Array.from(columns, (column) => column.limit.amount)
    this.pers = Float64Array.from(columns, (column) => column.limit.per)
    this.depths = Float64Array.from(columns, (column) => depthOf(column.limit))
    this.traits = Uint8Array.from(columns, (column) => column.traits)
    this.asked = new Uint8Array(columns.length)
    this.pending = new Float64Array(columns.length)
  }

  /** Finds the checks that the costs ask for. */
  read(costs: readonly number[]): void {
    this.askedCosts = costs
    this.askedCount = 0
    this.pending.fill(0)
    for (let i = 0; i < this.codes.length; i++) {
      if (costs[i] !== 0 && costs[i] !== undefined) this.asked[this.askedCount++] = i
    }
  }
}
