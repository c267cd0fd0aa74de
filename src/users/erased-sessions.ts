import { isPromise } from '../core/check.js'
import { setNewest } from '../core/maps.js'
import type { SessionStorage } from '../storage/contract/sessions.js'

/** How many erased keys to remember. They matter only while updates that began before the erasure are being handled. */
const MOST_KEYS = 1000

/**
 * The sessions of one space that were erased while handlers held them. grammY writes a session that was read when the handlers have
 * ended, so an erasure by a handler would be undone at once.
 */
export class ErasedSessions {
  private count = 0
  /** By session that was read: its key, and how many erasures there had been when the read began. */
  private readonly origins = new WeakMap<object, { readonly key: string; readonly at: number }>()
  /** By key: the number of its latest erasure. */
  private readonly erasedAt = new Map<string, number>()

  /** Records that the session of a key is being, or has been, erased. */
  note(key: string): void {
    setNewest(this.erasedAt, key, ++this.count, MOST_KEYS)
  }

  /** Returns a storage that does not write sessions that were erased after they were read. A new session is written. */
  over<T>(sessions: SessionStorage<T>): SessionStorage<T> {
    return {
      read: (key) => {
        // Counted before the read, because an erasure may come while it is under way.
        const origin = { key, at: this.count }
        const noted = (session: T | undefined): T | undefined => {
          if (typeof session === 'object' && session !== null) this.origins.set(session, origin)
          return session
        }
        const session = sessions.read(key)
        return isPromise(session) ? session.then(noted) : noted(session)
      },
      write: (key, session) => {
        const origin = this.origins.get(session as object)
        const isErased = origin?.key === key && origin.at < (this.erasedAt.get(key) ?? 0)
        return isErased ? undefined : sessions.write(key, session)
      },
      delete: (key) => sessions.delete(key),
      touch: (key, ttl) => sessions.touch(key, ttl),
      has: (key) => sessions.has(key),
      readAllKeys: () => sessions.readAllKeys(),
      readAllValues: () => sessions.readAllValues(),
      readAllEntries: () => sessions.readAllEntries(),
    }
  }
}
