import type { ITelegramStorageProvider } from '@mtcute/core'

/**
 * If a storage fails while mtcute 0.30.3 connects, mtcute rejects a promise that nobody handles, which makes Node exit. Therefore
 * failed reads stay unanswered until the connection is open, and the error is passed to the code that opens the connection
 * instead.
 */
export class OpeningReads {
  #opened = false
  #fail: (error: unknown) => void = () => undefined
  readonly #failed = new Promise<never>((_, reject) => {
    this.#fail = reject
  })

  constructor() {
    // The error is reported by `during()`; without a pending `during()` it is dropped.
    this.#failed.catch(() => undefined)
  }

  /** Wraps the storage for mtcute. */
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

  /** Waits for work that opens the connection; also rejects if a read of the storage fails. */
  during<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#failed])
  }

  /** From now on failed reads reject as usual. */
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
