/**
 * Series by label, counted in place: adding to one costs a look-up or none, and nothing is allocated but the first time. What
 * Prometheus is told is put together when it asks.
 */

/** Label values of one metric are remembered up to so many; what comes then is counted under {@link REST}. */
const MOST_SERIES = 500
/** Stands for all label values beyond the bound. */
export const REST = 'other'

/** A map three labels deep. */
class Labelled<T> {
  private readonly root = new Map<string, Map<string, Map<string, T>>>()
  private readonly rest: readonly [string, string, string]
  private size = 0

  constructor(
    readonly names: readonly string[],
    private readonly make: () => T,
  ) {
    const at = (index: number): string => (index < names.length ? REST : '')
    this.rest = [at(0), at(1), at(2)]
  }

  of(a: string, b: string, c: string): T {
    const known = this.root.get(a)?.get(b)?.get(c)
    return known ?? this.add(a, b, c)
  }

  private add(a: string, b: string, c: string): T {
    if (this.size >= MOST_SERIES && a !== REST) return this.of(...this.rest)
    const second = this.root.get(a) ?? new Map<string, Map<string, T>>()
    const third = second.get(b) ?? new Map<string, T>()
    const made = this.make()
    this.root.set(a, second.set(b, third.set(c, made)))
    this.size++
    return made
  }

  *entries(): Generator<readonly [labels: Record<string, string>, value: T]> {
    for (const [a, second] of this.root) {
      for (const [b, third] of second) {
        for (const [c, value] of third) {
          const values = [a, b, c]
          yield [Object.fromEntries(this.names.map((name, i) => [name, values[i] as string])), value]
        }
      }
    }
  }
}

/** One number. */
export interface Cell {
  value: number
}

/** Numbers that only rise, by up to three labels. */
export class Counts {
  private readonly cells: Labelled<Cell>

  constructor(names: readonly string[]) {
    this.cells = new Labelled(names, () => ({ value: 0 }))
  }

  add(a = '', b = '', c = ''): void {
    this.cells.of(a, b, c).value++
  }

  *samples(): Generator<readonly [labels: Record<string, string>, value: number]> {
    for (const [labels, { value }] of this.cells.entries()) yield [labels, value]
  }
}

/** What was observed under one set of labels. */
export class Distribution {
  readonly counts: Float64Array
  sum = 0

  constructor(readonly bounds: readonly number[]) {
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    const { bounds, counts } = this
    let index = 0
    while (index < bounds.length && value > (bounds[index] as number)) index++
    counts[index] = (counts[index] as number) + 1
    this.sum += value
  }
}

/** Distributions by up to three labels. */
export class Distributions {
  private readonly cells: Labelled<Distribution>

  constructor(
    names: readonly string[],
    readonly bounds: readonly number[],
  ) {
    this.cells = new Labelled(names, () => new Distribution(bounds))
  }

  of(a = '', b = '', c = ''): Distribution {
    return this.cells.of(a, b, c)
  }

  samples(): Generator<readonly [labels: Record<string, string>, value: Distribution]> {
    return this.cells.entries()
  }
}

/**
 * Bounds of latencies, in seconds: 1, 2 and 5 of every decade from a microsecond (a decision in memory takes less than one) to ten
 * seconds.
 */
export const LATENCIES: readonly number[] = [-6, -5, -4, -3, -2, -1]
  .flatMap((decade) => [1, 2, 5].map((step) => Number(`${step}e${decade}`)))
  .concat([1, 2, 5, 10])
