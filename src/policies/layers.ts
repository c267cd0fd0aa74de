import type { DebounceOptions } from '../middleware/debounce.js'
import type { ThrottleOptions } from '../middleware/throttle.js'
import type { PolicyOptions, PolicyOverride } from './policy-options.js'

/**
 * Where a part of a policy comes from: a policy, such as `policy strict`, or the `handler`.
 *
 * @example
 * ```ts
 * import type { PartOrigin } from 'grammy-sentinel'
 *
 * const isOwn = (from: PartOrigin): boolean => from === 'handler'
 * ```
 */
export type PartOrigin = `policy ${string}` | 'handler'

/** A set of options and its origin. */
export interface Layer {
  readonly from: PartOrigin
  readonly options: PolicyOptions | PolicyOverride
}

/** A part of a policy, such as `throttle.limit`, and where it comes from. */
interface Part {
  readonly value: unknown
  readonly from: PartOrigin
}

/** A policy merged with all policies it extends and with the overrides of a handler. */
export interface Resolved {
  readonly name: string
  /** By name, such as `throttle.limit`, in merge order. */
  readonly parts: ReadonlyMap<string, Part>
}

/** Merges layers, base policy first. Later layers override earlier ones, part by part. */
export function resolve(name: string, layers: readonly Layer[]): Resolved {
  const parts = new Map<string, Part>()
  for (const { from, options } of layers) {
    for (const [key, value] of Object.entries(options)) {
      if (value === undefined || key === 'name' || key === 'extends') continue
      if (key === 'throttle') lay(parts, key, throttleSpelledOut(value), from)
      else if (key === 'debounce') lay(parts, key, debounceSpelledOut(value), from)
      else if (value === false) parts.delete(key)
      else parts.set(key, { value, from })
    }
  }
  return { name, parts }
}

/** Merges options one by one. A list, or `false`, replaces everything below it; a limit that is a function, `roles` and `adapt`. */
function lay(parts: Map<string, Part>, key: string, value: unknown, from: PartOrigin): void {
  const whole = value === false || Array.isArray(value)
  for (const known of [...parts.keys()]) {
    if (known === key || (whole && known.startsWith(`${key}.`))) parts.delete(known)
  }
  if (value === false) return
  if (whole) parts.set(key, { value, from })
  else {
    if (typeof Reflect.get(value as object, 'limit') === 'function') {
      parts.delete(`${key}.roles`)
      parts.delete(`${key}.adapt`)
    }
    for (const [option, own] of Object.entries(value as object)) {
      if (own !== undefined) parts.set(`${key}.${option}`, { value: own, from })
    }
  }
}

/** Expands the short form of `throttle`. */
function throttleSpelledOut(value: unknown): unknown {
  const short = typeof value === 'string' || (typeof value === 'object' && value !== null && 'per' in value)
  return short ? { limit: value } : value
}

function debounceSpelledOut(value: unknown): unknown {
  return typeof value === 'string' || typeof value === 'number' ? { window: value } : value
}

/** Returns the limits of a policy, each with a name. */
export function throttlesOf({ name, parts }: Resolved): readonly ThrottleOptions[] {
  const list = parts.get('throttle')?.value as readonly unknown[] | undefined
  const own = list === undefined ? [optionsOf(parts, 'throttle')] : list.map(throttleSpelledOut)
  const usual = usualOf(parts)
  return (own as (ThrottleOptions | undefined)[]).flatMap((options) =>
    options === undefined ? [] : [{ ...usual, name, ...options }],
  )
}

/** Returns the debounce of a policy. Of the policy's common options it takes only `shadow`, and only in leading mode. */
export function debounceOf({ name, parts }: Resolved): DebounceOptions | undefined {
  const options = optionsOf(parts, 'debounce') as DebounceOptions | undefined
  if (options === undefined) return undefined
  const leading = options.mode === 'leading' || (options.mode === undefined && options.window !== undefined)
  if (!leading) return options
  const { shadow } = usualOf(parts)
  return { ...(shadow === undefined ? {} : { shadow }), name, ...options }
}

/** Returns the common options of a policy, for parts that do not set their own. */
export function usualOf(
  parts: ReadonlyMap<string, Part>,
): Pick<ThrottleOptions, 'deny' | 'noticeEvery' | 'shadow'> {
  const usual = ['deny', 'noticeEvery', 'shadow'].flatMap((key) => {
    const part = parts.get(key)
    return part === undefined ? [] : [[key, part.value] as const]
  })
  return Object.fromEntries(usual)
}

function optionsOf(parts: ReadonlyMap<string, Part>, key: string): object | undefined {
  const own = [...parts].flatMap(([name, { value }]) =>
    name.startsWith(`${key}.`) ? [[name.slice(key.length + 1), value] as const] : [],
  )
  return own.length === 0 ? undefined : Object.fromEntries(own)
}
