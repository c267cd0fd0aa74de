import { keepLatest } from '../../../core/maps.js'

/** The latest items by id; beyond the bound the oldest are dropped. */
export class Shelf<Item extends object> {
  readonly #items = new Map<string, Item>()
  readonly #ids = new WeakMap<Item, string>()

  constructor(private readonly keptAtMost: number) {}

  get(id: string): Item | undefined {
    return this.#items.get(id)
  }

  /** The id under which an item was last stored. */
  idOf(item: Item): string | undefined {
    return this.#ids.get(item)
  }

  keep(id: string, item: Item): void {
    this.#items.set(id, item)
    this.#ids.set(item, id)
    keepLatest(this.#items, this.keptAtMost)
  }
}
