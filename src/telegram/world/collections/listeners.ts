/** Those who want to hear of something each time it happens. */
export class Listeners<News extends readonly unknown[]> {
  readonly #listeners = new Set<(...news: News) => void>()

  /** Calls the listener each time, until the returned function is called. */
  readonly add = (listener: (...news: News) => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Calls all listeners that there are now; they may add and remove others meanwhile. */
  tell(...news: News): void {
    for (const listener of [...this.#listeners]) listener(...news)
  }
}
