/** Listeners to one thing, such as the changes in a storage. */
export class Listeners<Told> {
  private readonly listeners = new Set<{ readonly tell: (told: Told) => void }>()

  /** Whether there are listeners. Lets callers skip preparing what nobody receives. */
  get any(): boolean {
    return this.listeners.size > 0
  }

  /** Adds a listener and returns a function that removes it. A listener added twice is called twice and removed separately. */
  add(listener: (told: Told) => void): () => void {
    const listening = { tell: listener }
    this.listeners.add(listening)
    return () => {
      this.listeners.delete(listening)
    }
  }

  /** Calls all listeners, then throws the first exception that any of them threw. */
  tell(told: Told): void {
    const errors: unknown[] = []
    for (const { tell } of this.listeners) {
      try {
        tell(told)
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }

  clear(): void {
    this.listeners.clear()
  }
}
