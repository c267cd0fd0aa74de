/** The latest of a kind, by id; the oldest go. */
export class Shelf<Item> {
  readonly #items = new Map<string, Item>()

  constructor(private readonly keptAtMost: number) {}

  get(id: string): Item | undefined {
    return this.#items.get(id)
  }

  keep(id: string, item: Item): void {
    this.#items.set(id, item)
    if (this.#items.size <= this.keptAtMost) return
    for (const oldest of this.#items.keys()) {
      this.#items.delete(oldest)
      break
    }
  }
}
