import type { MaybePromise } from '../core/check.js'
import type { Ms } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { shown } from '../core/show.js'
import { isName } from './json.js'

/**
 * A value and what it is kept under.
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
  /** When it lapses, in milliseconds since 1970. Absent: never. */
  readonly until?: Ms
}

/**
 * A page of {@link ValueEntry}s; `next` is absent on the last.
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
 * Values of your own under names of your own: sessions, settings, preferences. Plain JSON, durable, never evicted;
 * with `until` they lapse. Each write replaces the whole value, so nothing that counts belongs here.
 *
 * A space is a name of 1 to 64 characters, a key one of 1 to 512; neither holds a NUL or half a character.
 *
 * What is read is a copy: changing it changes nothing in the storage. Every method throws (or rejects with) a
 * `SentinelError` `value.invalid` for what is no name, or no JSON; `undefined` is none: `remove` it instead.
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
  /** Undefined where there is none, or it has lapsed. */
  get(space: string, key: string): MaybePromise<unknown>
  /** Keeps a value in place of what was there. `until` is in milliseconds since 1970; absent or `Infinity`: for good. */
  put(space: string, key: string, value: unknown, until?: Ms): MaybePromise<void>
  /**
   * Moves the end of a value, and leaves the value as it is: `until` is in milliseconds since 1970; absent: for good. Whether
   * there was one. A storage that has none is told the value anew, which may undo what somebody else puts meanwhile.
   */
  touch?(space: string, key: string, until?: Ms): MaybePromise<boolean>
  /** Whether there was one. */
  remove(space: string, key: string): MaybePromise<boolean>
  /**
   * All values of a space, a page at a time, in no promised order. What stays throughout is read once; what is put
   * while you read may be missed. `size` is the most of a page, 1,000 by default.
   */
  scan(space: string, from?: string, size?: number): MaybePromise<ValuePage>
}

/** Moves the end of a value, in a storage that may have no way of its own. */
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
 * Refuses names that not every storage could keep.
 *
 * @throws SentinelError `value.invalid`.
 */
export function checkSpace(space: string): void {
  if (isName(space, 64)) return
  throw new SentinelError(
    'value.invalid',
    `values: ${shown(space)} is no space. Name it with 1 to 64 characters, such as 'settings', without NUL.`,
  )
}

/**
 * Refuses names that not every storage could keep.
 *
 * @throws SentinelError `value.invalid`.
 */
export function checkValueKey(space: string, key: string): void {
  checkSpace(space)
  if (isName(key, 512)) return
  // Keys may be whole sentences of somebody's: not all of it is for a log.
  throw new SentinelError(
    'value.invalid',
    `values: that is no key of "${space}". Keys are texts of 1 to 512 characters without NUL; this is ${typeof key === 'string' ? `one of ${key.length}` : shown(key)}.`,
  )
}
