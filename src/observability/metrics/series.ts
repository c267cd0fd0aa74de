/**
 * Series by label values. Adding to a series takes at most a look-up and allocates only the first time. The output for Prometheus
 * is built when it scrapes.
 */

/** Most series of one metric; further label values are counted under {@link REST}. */
const MOST_SERIES = 500
/** Replaces label values beyond the maximum. */
export const REST = 'other'

/** Values by up to three labels. */
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

  of(a = '', b = '', c = ''): T {
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

  *samples(): Generator<readonly [labels: Record<string, string>, value: T]> {
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

/** Counters by up to three labels. */
export class Counts {
  private readonly cells: Labelled<{ value: number }>

  constructor(names: readonly string[]) {
    this.cells = new Labelled(names, () => ({ value: 0 }))
  }

  add(a = '', b = '', c = ''): void {
    this.cells.of(a, b, c).value++
  }

  *samples(): Generator<readonly [labels: Record<string, string>, value: number]> {
    for (const [labels, { value }] of this.cells.samples()) yield [labels, value]
  }
}

/** A histogram for one set of labels. */
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

/** Histograms of latencies by up to three labels. */
export class Distributions extends Labelled<Distribution> {
  constructor(names: readonly string[]) {
    super(names, () => new Distribution(LATENCIES))
  }
}

/**
 * Bucket bounds for latencies, in seconds: 1, 2 and 5 of every decade from a microsecond (a decision in memory takes less) to ten
 * seconds.
 */
export const LATENCIES: readonly number[] = [-6, -5, -4, -3, -2, -1]
  .flatMap((decade) => [1, 2, 5].map((step) => Number(`${step}e${decade}`)))
  .concat([1, 2, 5, 10])
