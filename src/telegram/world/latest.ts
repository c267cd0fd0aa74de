/** The latest of what there are too many to keep, in order: whoever comes over the bound makes the oldest go. */
export class Latest<Item> {
  /** Grows to the bound, then goes round. */
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
