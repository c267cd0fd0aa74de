import type { Context } from 'grammy'
import { SentinelError } from '../core/errors.js'
import { shown } from '../core/show.js'
import type { SentinelOptions } from './schema.js'

/** What is no tree of options, but a thing of its own. */
const OPAQUE: readonly string[] = ['storage', 'clock', 'timers', 'hooks']

/**
 * Lays options over options: the later win, key by key. Lists, limits and subjects are replaced as a whole, and what
 * is undefined replaces nothing. Short forms are written out: `throttle: '20/1m'` becomes `{ limit: '20/1m' }`.
 *
 * Checks nothing; `sentinel()` does. Keys such as `__proto__` in a file reach no prototype.
 *
 * @throws SentinelError `option.invalid` for options that are no object.
 *
 * @example
 * ```ts
 * import { fromEnv, fromJson, layer, sentinel } from 'grammy-sentinel'
 *
 * const file = fromJson('{ "throttle": "20/1m" }')
 * const env = fromEnv({ SENTINEL__THROTTLE__SCOPE: 'chat' })
 * sentinel(layer(file, env, { exempt: { owner: 1234567 } }))
 * ```
 */
export function layer<C extends Context = Context>(
  ...options: readonly SentinelOptions<C>[]
): SentinelOptions<C> {
  return options.reduce<object>((under, upper) => {
    if (!isPlain(upper)) {
      throw new SentinelError('option.invalid', `options: ${shown(upper)} is wrong; it must be an object.`)
    }
    const entries = Object.entries(upper).map(([key, value]) => [key, spelledOut(key, value)] as const)
    return over(under, Object.fromEntries(entries), OPAQUE)
  }, {})
}

/**
 * Options over those in force. A debounce of another mode takes the place of the one there is, as it does of the default: of what
 * either mode has, the other can do nothing with most.
 */
export function layerInForce(inForce: SentinelOptions, options: SentinelOptions): SentinelOptions {
  const { debounce } = layer(options)
  const mode: unknown = isPlain(debounce) ? Reflect.get(debounce, 'mode') : undefined
  const other = isPlain(inForce.debounce) && (Reflect.get(inForce.debounce, 'mode') ?? 'leading') !== mode
  return layer(mode !== undefined && other ? { ...inForce, debounce: false } : inForce, options)
}

/** Objects that took the place of something else: laid over anything, they take its place too, whoever is first. */
const whole = new WeakSet<object>()

/** One tree of options over another. */
export function over(under: unknown, upper: object, opaque: readonly string[] = []): object {
  const base = isPlain(under) && !isWhole(upper) ? under : {}
  const merged = new Map<string, unknown>(Object.entries(base))
  for (const [key, value] of Object.entries(upper)) {
    if (value === undefined) continue
    merged.set(key, isPlain(value) && !opaque.includes(key) ? over(merged.get(key), value) : value)
  }
  // Defines keys and assigns none, so that `__proto__` is a key like any other: unknown, once it is checked.
  const result = Object.fromEntries(merged)
  if (isWhole(upper) || (isPlain(under) ? whole.has(under) : under !== undefined)) whole.add(result)
  return result
}

/** A limit and a subject are one value: half of one and half of another would be neither. */
function isWhole(value: object): boolean {
  return whole.has(value) || has(value, 'per') || has(value, 'kind')
}

/** The long form of what has a short one. */
export function spelledOut(option: string, value: unknown): unknown {
  if (option === 'throttle') {
    return Array.isArray(value) ? value.map((one) => limitSpelledOut(one)) : limitSpelledOut(value)
  }
  const window = typeof value === 'string' || typeof value === 'number'
  return option === 'debounce' && window ? { window: value } : value
}

function limitSpelledOut(value: unknown): unknown {
  return typeof value === 'string' || (isPlain(value) && has(value, 'per')) ? { limit: value } : value
}

/** Whether a value has all of these. */
export function has(value: unknown, ...names: readonly string[]): boolean {
  return names.every((name) => Reflect.get(Object(value), name) !== undefined)
}

/** A tree of options, as opposed to a list or somebody's instance. */
export function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  // Any realm's Object.prototype has none above it.
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** A frozen copy; what is opaque stays as it is. */
export function frozen<T>(value: T, opaque: readonly string[] = OPAQUE): T {
  if (Array.isArray(value)) return Object.freeze(value.map((held) => frozen(held, []))) as T
  if (!isPlain(value)) return value
  const entries = Object.entries(value).map(
    ([key, held]) => [key, opaque.includes(key) ? held : frozen(held, [])] as const,
  )
  return Object.freeze(Object.fromEntries(entries)) as T
}
