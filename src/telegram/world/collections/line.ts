/** Minimum number of empty places at the front before the array is compacted. */
const EMPTIED = 1024

/**
 * A queue in order of arrival, with removal of any item in constant time. A Set would not do: finding its first item skips all
 * entries deleted before it, every time.
 */
export class Line<Item extends object> implements Iterable<Item> {
  /** Undefined where an item was removed. */
  readonly #items: (Item | undefined)[] = []
  /** Position of every item, counted from the first item ever added. */
  readonly #places = new Map<Item, number>()
  /** Number of positions before the start of `#items`. */
  #before = 0
  #head = 0

  get size(): number {
    return this.#places.size
  }

  get first(): Item | undefined {
    return this.#items[this.#head]
  }

  has(item: Item): boolean {
    return this.#places.has(item)
  }

  add(item: Item): void {
    this.#places.set(item, this.#before + this.#items.length)
    this.#items.push(item)
  }

  delete(item: Item): boolean {
    const place = this.#places.get(item)
    if (place === undefined) return false
    this.#places.delete(item)
    this.#items[place - this.#before] = undefined
    while (this.#head < this.#items.length && this.#items[this.#head] === undefined) this.#head++
    if (this.#head >= EMPTIED && this.#head * 2 >= this.#items.length) {
      this.#items.splice(0, this.#head)
      this.#before += this.#head
      this.#head = 0
    }
    return true
  }

  /** Skips items removed during the iteration. */
  *[Symbol.iterator](): Iterator<Item> {
    for (let place = this.#before + this.#head; place - this.#before < this.#items.length; place++) {
      // The array may have been compacted meanwhile.
      if (place < this.#before) place = this.#before
      const item = this.#items[place - this.#before]
      if (item !== undefined) yield item
    }
  }
}
