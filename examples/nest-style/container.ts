// A minimal dependency container: it creates providers in order and passes the dependencies of each constructor by position.
type Provider<T = unknown> = new (...dependencies: never[]) => T

export class Container {
  private readonly made = new Map<unknown, unknown>()

  /** Registers a value under the class it stands for. */
  provide<T>(token: abstract new (...given: never[]) => T, value: T): this {
    this.made.set(token, value)
    return this
  }

  /** Creates a provider, once. */
  make<T>(provider: Provider<T>, ...dependencies: readonly unknown[]): T {
    const known = this.made.get(provider)
    if (known !== undefined) return known as T
    const given = dependencies.map((token) => {
      const found = this.made.get(token)
      if (found === undefined) throw new Error(`nothing was provided for ${String(token)}`)
      return found
    })
    const instance = new provider(...(given as never[]))
    this.made.set(provider, instance)
    return instance
  }
}
