/** Runs a limited number of tasks at once; further ones wait for their turn, in order. */
export class ConcurrencyLimit {
  #running = 0
  readonly #line: (() => void)[] = []

  constructor(private readonly most: number) {}

  /** Number of tasks that wait. */
  get waiting(): number {
    return this.#line.length
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.most) await new Promise<void>((go) => this.#line.push(go))
    else this.#running++
    try {
      return await work()
    } finally {
      // The place passes to the next task without becoming free in between.
      const next = this.#line.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }
}
