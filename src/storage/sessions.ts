import type { MaybePromise } from '../core/check.js'
import { isPromise } from '../core/check.js'
import { type Clock, systemClock } from '../core/clock.js'
import { type Duration, parseDuration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { checkSpace, type ValuePage, type Values } from './values.js'

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
export interface SessionsOptions {
  /**
   * The space of {@link Values} that they are kept in. Sessions of several bots, or several sessions of one, need a name
   * each: grammY's session keys do not name the bot.
   * @default 'session'
   */
  readonly name?: string
  /** A session lapses when it was not written for so long. Absent: never. */
  readonly ttl?: Duration
}

/**
 * A storage for grammY's `session()`: what it calls a `StorageAdapter`. Answers at once where its values do.
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
  has(key: string): MaybePromise<boolean>
  readAllKeys(): AsyncIterable<string>
  readAllValues(): AsyncIterable<T>
  readAllEntries(): AsyncIterable<[key: string, value: T]>
}

/**
 * Keeps grammY's sessions in any {@link Values}. Each storage does this by itself with `storage.sessions()`.
 *
 * @param clock Tells when a `ttl` has passed: that of whatever keeps the values.
 * @throws SentinelError `value.invalid` for a name that is none, `duration.invalid` for a `ttl` that is none,
 * `option.invalid` for one of no time.
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
  options: SessionsOptions = {},
  clock: Clock = systemClock,
): SessionStorage<T> {
  const { name = 'session' } = options
  checkSpace(name)
  const ttl = options.ttl === undefined ? undefined : parseDuration(options.ttl, 'sessions.ttl')
  if (ttl === 0) {
    throw new SentinelError('option.invalid', "sessions.ttl: 0 keeps nothing. Pass a span such as '30d'.")
  }
  return new ValueSessions(values, name, ttl, clock)
}

class ValueSessions<T> implements SessionStorage<T> {
  constructor(
    private readonly values: Values,
    private readonly name: string,
    private readonly ttl: number | undefined,
    private readonly clock: Clock,
  ) {}

  read(key: string): MaybePromise<T | undefined> {
    return this.values.get(this.name, key) as MaybePromise<T | undefined>
  }

  write(key: string, value: T): MaybePromise<void> {
    if (value === undefined || value === null) return this.delete(key)
    const until = this.ttl === undefined ? undefined : this.clock() + this.ttl
    return this.values.put(this.name, key, value, until)
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
    let from: string | undefined
    do {
      const page: ValuePage = await this.values.scan(this.name, from)
      for (const { key, value } of page.entries) yield [key, value as T]
      from = page.next
    } while (from !== undefined)
  }
}
