import type { MaybePromise } from '../../core/check.js'
import { isPromise } from '../../core/check.js'
import { type Clock, systemClock } from '../../core/clock.js'
import { type Duration, parseDuration } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { checkNames } from '../../core/option-names.js'
import { pagesOf } from './pages.js'
import { checkSpace, touched, type Values } from './values.js'

/**
 * Options of `storage.sessions()` and {@link sessionsOver}.
 *
 * @example
 * ```ts
 * import { memory, type SessionsOptions } from 'grammy-sentinel'
 *
 * const carts: SessionsOptions = { name: 'cart', ttl: '30d' }
 * memory().sessions(carts)
 * ```
 */
export interface SessionsOptions<T = unknown> {
  /**
   * The space of {@link Values} that holds the sessions. Sessions of different bots, or different sessions of one bot, need
   * different names, because grammY's session keys do not contain the bot.
   * @default 'session'
   */
  readonly name?: string
  /**
   * How long after its last write (or touch) a session lapses. A function returns this for each session, undefined for a session
   * that never lapses. Absent: sessions never lapse.
   */
  readonly ttl?: Duration | ((session: T, key: string) => Duration | undefined)
}

/**
 * A storage for grammY's `session()` (grammY's `StorageAdapter`). Synchronous if the underlying values are.
 *
 * @example
 * ```ts
 * import { memory, type SessionStorage } from 'grammy-sentinel'
 *
 * const carts: SessionStorage<{ items: string[] }> = memory().sessions()
 * await carts.write('7', { items: ['tea'] })
 * for await (const [key, { items }] of carts.readAllEntries()) console.log(key, items) // '7' ['tea']
 * ```
 */
export interface SessionStorage<T> {
  read(key: string): MaybePromise<T | undefined>
  /** Replaces the session. `undefined` and `null` delete it. */
  write(key: string, value: T): MaybePromise<void>
  delete(key: string): MaybePromise<void>
  /**
   * Extends the life of a session without writing it, to its `ttl` or the given one from now. Returns whether there was a
   * session.
   *
   * @throws SentinelError `duration.invalid`.
   */
  touch(key: string, ttl?: Duration): MaybePromise<boolean>
  has(key: string): MaybePromise<boolean>
  readAllKeys(): AsyncIterable<string>
  readAllValues(): AsyncIterable<T>
  readAllEntries(): AsyncIterable<[key: string, value: T]>
}

/**
 * Keeps grammY's sessions in any {@link Values}. For a {@link Storage}, `storage.sessions()` does the same.
 *
 * @param clock Tells when a `ttl` has passed. Use the clock of the storage that keeps the values.
 * @throws SentinelError `value.invalid` for an invalid name, `duration.invalid` for an invalid `ttl`,
 * `option.invalid` for a `ttl` of zero, `option.unknown`.
 *
 * @example
 * ```ts
 * import { Bot, type Context, session, type SessionFlavor } from 'grammy'
 * import { memory, sessionsOver } from 'grammy-sentinel'
 *
 * const bot = new Bot<Context & SessionFlavor<{ visits: number }>>('123:token')
 * const storage = sessionsOver<{ visits: number }>(memory().values, { ttl: '30d' })
 * bot.use(session({ initial: () => ({ visits: 0 }), storage }))
 * ```
 */
export function sessionsOver<T>(
  values: Values,
  options: SessionsOptions<T> = {},
  clock: Clock = systemClock,
): SessionStorage<T> {
  checkNames('sessions', options, ['name', 'ttl'])
  const { name = 'session' } = options
  checkSpace(name)
  const { ttl } = options
  const span = typeof ttl === 'function' || ttl === undefined ? ttl : spanOf(ttl, 'sessions.ttl')
  return new ValueSessions(values, name, span, clock)
}

function spanOf(ttl: Duration, what: string): number {
  const span = parseDuration(ttl, what)
  if (span > 0) return span
  throw new SentinelError(
    'option.invalid',
    `${what}: with 0, nothing would be kept. Pass a duration such as '30d'.`,
  )
}

class ValueSessions<T> implements SessionStorage<T> {
  constructor(
    private readonly values: Values,
    private readonly name: string,
    private readonly ttl: number | ((session: T, key: string) => Duration | undefined) | undefined,
    private readonly clock: Clock,
  ) {}

  read(key: string): MaybePromise<T | undefined> {
    return this.values.get(this.name, key) as MaybePromise<T | undefined>
  }

  write(key: string, value: T): MaybePromise<void> {
    if (value === undefined || value === null) return this.delete(key)
    return this.values.put(this.name, key, value, this.untilOf(value, key))
  }

  touch(key: string, ttl?: Duration): MaybePromise<boolean> {
    if (ttl !== undefined) {
      return touched(this.values, this.name, key, this.clock() + spanOf(ttl, 'sessions.touch().ttl'))
    }
    if (typeof this.ttl !== 'function') {
      const until = this.ttl === undefined ? undefined : this.clock() + this.ttl
      return touched(this.values, this.name, key, until)
    }
    const session = this.read(key)
    return isPromise(session)
      ? session.then((found) => this.touchRead(key, found))
      : this.touchRead(key, session)
  }

  private touchRead(key: string, session: T | undefined): MaybePromise<boolean> {
    if (session === undefined) return false
    return touched(this.values, this.name, key, this.untilOf(session, key))
  }

  private untilOf(session: T, key: string): number | undefined {
    if (typeof this.ttl === 'number') return this.clock() + this.ttl
    const ttl = this.ttl?.(session, key)
    return ttl === undefined ? undefined : this.clock() + spanOf(ttl, 'sessions.ttl()')
  }

  delete(key: string): MaybePromise<void> {
    const removed = this.values.remove(this.name, key)
    if (isPromise(removed)) return removed.then(() => undefined)
  }

  has(key: string): MaybePromise<boolean> {
    const value = this.values.get(this.name, key)
    return isPromise(value) ? value.then((found) => found !== undefined) : value !== undefined
  }

  async *readAllKeys(): AsyncGenerator<string, void, undefined> {
    for await (const [key] of this.readAllEntries()) yield key
  }

  async *readAllValues(): AsyncGenerator<T, void, undefined> {
    for await (const [, value] of this.readAllEntries()) yield value
  }

  async *readAllEntries(): AsyncGenerator<[key: string, value: T], void, undefined> {
    for await (const { entries } of pagesOf((from) => this.values.scan(this.name, from)))
      for (const { key, value } of entries) yield [key, value as T]
  }
}
