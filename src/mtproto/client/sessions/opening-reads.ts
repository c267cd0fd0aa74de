import type { ITelegramStorageProvider } from '@mtcute/core'

/**
 * mtcute 0.30.3 rejects a promise that nobody has where a storage fails while it connects, and Node ends the process for that. So until the
 * connection stands what cannot be read is never answered, and whoever opens is told beside.
 */
export class OpeningReads {
  #opened = false
  #fail: (error: unknown) => void = () => undefined
  readonly #failed = new Promise<never>((_, reject) => {
    this.#fail = reject
  })

  constructor() {
    // Told to whoever opens; where nobody does there is nobody to tell.
    this.#failed.catch(() => undefined)
  }

  /** The same storage, as mtcute is to have it. */
  of(storage: ITelegramStorageProvider): ITelegramStorageProvider {
    const { driver, kv, authKeys, peers, refMessages } = storage
    return {
      driver,
      peers,
      refMessages,
      kv: { ...kv, get: (key) => this.#read(kv.get(key)) },
      authKeys: {
        ...authKeys,
        get: (dc) => this.#read(authKeys.get(dc)),
        getTemp: (dc, index, now) => this.#read(authKeys.getTemp(dc, index, now)),
      },
    }
  }

  /** What is done with the storage while it opens; rejects as well where the storage fails. */
  during<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#failed])
  }

  /** From now on whoever reads is told. */
  end(): void {
    this.#opened = true
  }

  async #read<T>(reading: T | Promise<T>): Promise<T> {
    try {
      return await reading
    } catch (error) {
      if (this.#opened) throw error
      this.#fail(error)
      return new Promise<never>(() => undefined)
    }
  }
}
