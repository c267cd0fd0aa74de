import type { Context } from 'grammy'
import { checkedClock } from '../core/checked-clock.js'
import { SentinelError } from '../core/errors.js'
import { parseLimit } from '../core/limit.js'
import { hintAt } from '../core/nearest.js'
import { Roles } from '../core/roles.js'
import { shown } from '../core/show.js'
import { block, refuseStandIn } from '../middleware/block.js'
import { checkConcurrency } from '../middleware/concurrency.js'
import { readDebounce } from '../middleware/debounce.js'
import { checkHooks } from '../middleware/hooking/hook-options.js'
import { inside, problemsOf } from '../middleware/options/schema.js'
import { readThrottle, type ThrottleOptions } from '../middleware/throttle.js'
import { PolicyBook } from '../policies/policy-book.js'
import { readSettings } from '../settings/settings-options.js'
import { layer } from './layer.js'
import { frozen, isPlain } from './plain.js'
import { DEFAULTS, optionsSchema, type ResolvedOptions, type SentinelOptions } from './schema.js'

/**
 * Checks options and adds the defaults. Returns a frozen copy; functions and storages are neither copied nor frozen.
 *
 * @throws SentinelError that names the option and its value and says how to fix it: `option.unknown`, `option.invalid`,
 * `limit.invalid`, `limit.duplicate`, `duration.invalid`, `scope.unknown`, `subject.invalid`.
 */
export function readOptions<C extends Context = Context>(input: SentinelOptions<C> = {}): ResolvedOptions<C> {
  const [problem] = checkOptions(input)
  if (problem !== undefined) throw problem
  const { $schema, ...options } = withDefaults(input as SentinelOptions)
  const { budget, ...notices } = options.notices ?? {}
  const read = budget === undefined ? notices : { ...notices, budget: parseLimit(budget) }
  return frozen({ ...options, notices: read }) as ResolvedOptions as ResolvedOptions<C>
}

/** Returns every problem of the options. Rules that involve several options are checked only once each option is valid by itself. */
export function checkOptions(input: unknown): SentinelError[] {
  const problems = problemsOf('', optionsSchema, input)
  if (problems.length > 0) return problems
  const {
    block: blocking,
    throttle,
    debounce,
    concurrency,
    auth,
    exempt: { owner, users = [], roles: exempted = [] } = {},
    roles: named,
    policies = {},
    settings = false,
    hooks,
    clock,
  } = withDefaults(input as SentinelOptions)
  // Limits are objects by now, because the defaults spell short forms out.
  const limits = ([throttle || []].flat() as readonly ThrottleOptions[]).map((one, index) => {
    return { what: Array.isArray(throttle) ? inside('throttle', index) : 'throttle', one }
  })
  const check = (read: () => unknown): void => {
    try {
      read()
    } catch (error) {
      if (!(error instanceof SentinelError)) throw error
      problems.push(error)
    }
  }
  if (blocking) check(() => block(blocking))
  check(() => checkHooks(hooks))
  check(() => checkedClock(clock, 'clock'))
  if (owner !== undefined) check(() => refuseStandIn(owner, 'exempt.owner', 'exempt'))
  users.forEach((user, index) => {
    check(() => refuseStandIn(user, inside('exempt.users', index), 'exempt'))
  })
  check(() => {
    const roles = new Roles(named)
    const asked = auth ? (auth.roles ?? []) : []
    exempted.forEach((role, index) => {
      check(() => roles.check(role, inside('exempt.roles', index)))
    })
    for (const [index, role] of asked.entries()) {
      check(() => roles.check(role, inside('auth.roles', index)))
    }
    for (const { what, one } of limits) {
      for (const role of Object.keys(one.roles ?? {})) check(() => roles.check(role, `${what}.roles`))
    }
  })
  const taken = new Map<string, string>()
  for (const { what, one } of limits) {
    check(() => readThrottle(one, what))
    const name = one.name ?? one.scope ?? 'user'
    const other = taken.get(name)
    if (other === undefined) taken.set(name, what)
    else {
      const message = `${what}.name: "${name}" is already the name of ${other}. Choose another, such as "${name}2".`
      problems.push(new SentinelError('limit.duplicate', message))
    }
  }
  if (debounce) check(() => readDebounce(debounce))
  check(() => checkConcurrency(concurrency))
  check(() => new PolicyBook(policies))
  if (settings) {
    const known = [...taken.keys(), ...Object.keys(policies)]
    check(() => {
      for (const name of readSettings(settings).limits.keys()) {
        if (!known.includes(name)) throw untunable(name, known, settings.limits)
      }
    })
  }
  for (const name of Object.keys(policies)) {
    if (!taken.has(name)) continue
    const message = `policies.${name}: "${name}" is already the name of a limit (${taken.get(name)}). Rename one of them.`
    problems.push(new SentinelError('limit.duplicate', message))
  }
  return problems
}

/** Adds the defaults and expands short forms, as {@link layer} does. */
export function withDefaults(input: SentinelOptions): SentinelOptions {
  const options = layer(input)
  const { throttle, debounce } = options
  return {
    ...DEFAULTS,
    ...options,
    ...(isPlain(throttle) ? { throttle: { ...DEFAULTS.throttle, ...throttle } } : {}),
    // The default debounces taps, which cannot be gathered, so nothing of it applies to `mode: 'trailing'`.
    ...(isPlain(debounce) && !('mode' in debounce && debounce.mode === 'trailing')
      ? { debounce: { ...DEFAULTS.debounce, ...debounce } }
      : {}),
  } as SentinelOptions
}

function untunable(name: string, known: readonly string[], byName: object = {}): SentinelError {
  const what =
    name in byName ? `settings.limits.${name}: there` : `settings.throttle: it tunes "${name}", but there`
  const message = `${what} is no limit ${shown(name)}.${hintAt(name, known)} Limits: ${known.join(', ') || '(none)'}. Turn the limit of a handler into a policy.`
  return new SentinelError('limit.unknown', message)
}
