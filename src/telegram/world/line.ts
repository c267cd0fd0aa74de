/** The emptied front of a line that is worth moving the rest for. */
const EMPTIED = 1024

/**
 * Who waits, in the order of arrival. Whoever it is leaves at once, however many wait: a Set would step over all that have
 * left from its front each time the first is asked for.
 */
export class Line<Item extends object> implements Iterable<Item> {
  /** Left empty where somebody has gone. */
  readonly #items: (Item | undefined)[] = []
  /** Where everybody stands, counted from the first there ever was. */
  readonly #places = new Map<Item, number>()
  /** How many stood before the first of `#items`. */
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

  /** Whoever leaves meanwhile is passed over. */
  *[Symbol.iterator](): Iterator<Item> {
    for (let place = this.#before + this.#head; place - this.#before < this.#items.length; place++) {
      // The line may have moved up since.
      if (place < this.#before) place = this.#before
      const item = this.#items[place - this.#before]
      if (item !== undefined) yield item
    }
  }
}
