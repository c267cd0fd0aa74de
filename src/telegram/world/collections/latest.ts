/** A ring buffer of the latest items: an item beyond the bound replaces the oldest one. */
export class Latest<Item> {
  /** Grows up to the bound, then is overwritten in a circle. */
  readonly #items: Item[] = []
  #oldest = 0

  constructor(
    private readonly keptAtMost: number,
    private readonly forget: (oldest: Item) => void,
  ) {}

  add(item: Item): void {
    if (this.#items.length < this.keptAtMost) {
      this.#items.push(item)
      return
    }
    const gone = this.#items[this.#oldest] as Item
    this.#items[this.#oldest] = item
    this.#oldest = (this.#oldest + 1) % this.keptAtMost
    this.forget(gone)
  }
}
