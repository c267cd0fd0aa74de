import type { Storage } from '../../src/storage/contract/storage.js'

/** A storage that also closes another resource: a connection, a schema. */
export function closing(storage: Storage, end: () => Promise<unknown>): Storage {
  let closed: Promise<unknown> | undefined
  return new Proxy(storage, {
    get(of, name) {
      if (name === 'close') {
        return async () => {
          await of.close()
          closed ??= end()
          await closed
        }
      }
      const value: unknown = Reflect.get(of, name)
      return typeof value === 'function' ? value.bind(of) : value
    },
  })
}
