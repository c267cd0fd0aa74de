import type { Context } from 'grammy'
import { SentinelError } from '../core/errors.js'
import { shown } from '../core/show.js'
import { has, isPlain, OPAQUE } from './plain.js'
import type { SentinelOptions } from './schema.js'

/**
 * Merges options key by key; later options override earlier ones. Lists, limits and subjects are replaced as a whole, and an
 * undefined value overrides nothing. Short forms are expanded first: `throttle: '20/1m'` becomes `{ limit: '20/1m' }`. A function as
 * `limit` also replaces `roles` and `adapt` of earlier options.
 *
 * Does not check the options; `sentinel()` does. A key such as `__proto__` in a file cannot reach a prototype.
 *
 * @throws SentinelError `option.invalid` if an argument is not an object.
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
 * Merges new options over the options in force. A debounce of a different mode replaces the current debounce, because most
 * options of one mode are invalid in the other.
 */
export function layerInForce(inForce: SentinelOptions, options: SentinelOptions): SentinelOptions {
  const { debounce } = layer(options)
  const mode: unknown = isPlain(debounce) ? Reflect.get(debounce, 'mode') : undefined
  const other = isPlain(inForce.debounce) && (Reflect.get(inForce.debounce, 'mode') ?? 'leading') !== mode
  return layer(mode !== undefined && other ? { ...inForce, debounce: false } : inForce, options)
}

/** Merged objects that replaced a value of another kind; laid over further options, they replace those as well. */
const whole = new WeakSet<object>()

/** Merges one tree of options over another. */
export function over(under: unknown, upper: object, opaque: readonly string[] = []): object {
  const base = isPlain(under) && !isWhole(upper) ? under : {}
  const merged = new Map<string, unknown>(Object.entries(base))
  // A limit that is a function replaces these options, which are refused beside it.
  if (typeof Reflect.get(upper, 'limit') === 'function') {
    merged.delete('roles')
    merged.delete('adapt')
  }
  for (const [key, value] of Object.entries(upper)) {
    if (value === undefined) continue
    merged.set(key, isPlain(value) && !opaque.includes(key) ? over(merged.get(key), value) : value)
  }
  // fromEntries() defines keys instead of assigning them, so `__proto__` becomes an ordinary key, which the check rejects as unknown.
  const result = Object.fromEntries(merged)
  if (isWhole(upper) || (isPlain(under) ? whole.has(under) : under !== undefined)) whole.add(result)
  return result
}

/** Whether an object is replaced as a whole: mixing parts of two limits or of two subjects would make no sense. */
function isWhole(value: object): boolean {
  return whole.has(value) || has(value, 'per') || has(value, 'kind')
}

/** Expands the short form of `throttle` and `debounce`. */
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
