import type { MaybePromise } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { shown } from '../../core/show.js'
import { isName } from './json.js'

/**
 * A value together with its key.
 *
 * @example
 * ```ts
 * import type { ValueEntry } from 'grammy-sentinel'
 *
 * const entry: ValueEntry = { key: '42', value: { theme: 'dark' } }
 * ```
 */
export interface ValueEntry {
  readonly key: string
  readonly value: unknown
  /** When the value lapses, in milliseconds since 1970. Absent: never. */
  readonly until?: Ms
}

/**
 * A page of {@link ValueEntry}s. `next` is the cursor of the following page; the last page has none.
 *
 * @example
 * ```ts
 * import type { ValuePage, Values } from 'grammy-sentinel'
 *
 * async function keysOf(values: Values, space: string): Promise<string[]> {
 *   const keys: string[] = []
 *   let page: ValuePage | undefined
 *   do {
 *     page = await values.scan(space, page?.next)
 *     keys.push(...page.entries.map(({ key }) => key))
 *   } while (page.next !== undefined)
 *   return keys
 * }
 * ```
 */
export interface ValuePage {
  readonly entries: readonly ValueEntry[]
  readonly next?: string
}

/**
 * Values that the application keeps under its own names: sessions, settings, preferences. Plain JSON, durable, never evicted, but
 * a value with `until` lapses. Each write replaces the whole value, so this is not a place for counters.
 *
 * A space is a name of 1 to 64 characters, a key has 1 to 512; neither may contain a NUL or an unpaired surrogate.
 *
 * Reads return copies: changing one does not change the storage. Every method throws (or rejects with) a `SentinelError`
 * `value.invalid` for an invalid name or a value that is not JSON. `undefined` is not JSON: use `remove` instead.
 *
 * @example
 * ```ts
 * import { memory, type Values } from 'grammy-sentinel'
 *
 * const values: Values = memory().values
 * await values.put('settings', '-100123', { quiet: true })
 * await values.get('settings', '-100123') // { quiet: true }
 * ```
 */
export interface Values {
  /** Returns the value, or undefined if there is none or it has lapsed. */
  get(space: string, key: string): MaybePromise<unknown>
  /** Stores a value, replacing the previous one. `until` is in milliseconds since 1970; absent or `Infinity`: forever. */
  put(space: string, key: string, value: unknown, until?: Ms): MaybePromise<void>
  /**
   * Changes when a value lapses without changing the value. `until` is in milliseconds since 1970; absent: never. Returns whether
   * there was a value. For a storage without this method the value is read and put again, which may overwrite a concurrent `put`.
   */
  touch?(space: string, key: string, until?: Ms): MaybePromise<boolean>
  /** Deletes a value. Returns whether there was one. */
  remove(space: string, key: string): MaybePromise<boolean>
  /**
   * Returns all values of a space, one page at a time, in no guaranteed order. Values present throughout the scan are returned
   * once; values put during the scan may be missed. `size` is the maximum per page, 1,000 by default.
   */
  scan(space: string, from?: string, size?: number): MaybePromise<ValuePage>
}

/** Changes when a value lapses, reading and putting the value again if the storage has no `touch()`. */
export function touched(values: Values, space: string, key: string, until?: Ms): MaybePromise<boolean> {
  if (values.touch !== undefined) return values.touch(space, key, until)
  return touchedAnew(values, space, key, until)
}

async function touchedAnew(values: Values, space: string, key: string, until?: Ms): Promise<boolean> {
  const value = await values.get(space, key)
  if (value === undefined) return false
  await values.put(space, key, value, until)
  return true
}

/**
 * Rejects space names that some storage could not keep.
 *
 * @throws SentinelError `value.invalid`.
 */
export function checkSpace(space: string): void {
  if (isName(space, 64)) return
  throw new SentinelError(
    'value.invalid',
    `values: ${shown(space)} is not a valid space. Use 1 to 64 characters without NUL, such as 'settings'.`,
  )
}

/**
 * Rejects keys that some storage could not keep.
 *
 * @throws SentinelError `value.invalid`.
 */
export function checkValueKey(space: string, key: string): void {
  checkSpace(space)
  if (isName(key, 512)) return
  // Keys may contain personal text, so the message does not quote them.
  throw new SentinelError(
    'value.invalid',
    `values: that is not a key of "${space}". Keys are texts of 1 to 512 characters without NUL; this is ${typeof key === 'string' ? `one of ${key.length}` : shown(key)}.`,
  )
}
