import type { Context, NextFunction } from 'grammy'
import { checkedClock } from '../core/checked-clock.js'
import { SentinelError } from '../core/errors.js'
import type { Guard, GuardDefinition } from './guard.js'
import type { Chain } from './pipeline.js'
import { noteUsedAlone, registerGuard } from './position/guard-positions.js'
import { checkTogether, type Guards } from './position/guarded.js'
import { Layer, labelOf, type OwnServices } from './position/layer.js'
import { claim, tooMany } from './position/place.js'
import { positioned } from './position/position.js'
import type { ServicesOptions } from './services.js'

/**
 * Options of {@link compose}.
 *
 * @example
 * ```ts
 * import { type ComposeOptions, compose, memory, throttle } from 'grammy-sentinel'
 *
 * const options: ComposeOptions = { name: 'uploads', storage: memory({ maxSubjects: 10_000 }) }
 * compose(throttle('3/1h'), options)
 * ```
 */
export interface ComposeOptions extends Pick<ServicesOptions, 'storage' | 'clock' | 'timers'> {
  /**
   * Names the state of this chain, which matters if several chains share one storage, and its limits without a name. Around a
   * handler it is put before the handler's own name.
   *
   * @default in front of a handler, from its guards and the order of creation; around a handler, from the handler
   */
  readonly name?: string | undefined
}

/**
 * Combines several guards into one: the facts of an update are read once, and all guards are decided in one call, in order.
 *
 * `sentinel()` does the same, and adds defaults, marks and management.
 *
 * @throws SentinelError `limit.duplicate` if two limits have one name, `plan.invalid` if there are too many checks.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { compose, debounce, throttle } from 'grammy-sentinel'
 *
 * const bot = new Bot('123:token')
 * bot.use(compose(throttle('20/1m'), debounce('1s')))
 * ```
 */
export function compose<C extends Context = Context>(
  ...parts: readonly (Guard<C> | ComposeOptions)[]
): Guard<C> {
  const guards = parts.filter((part): part is Guard<C> => typeof part === 'function')
  const options = parts.filter((part): part is ComposeOptions => typeof part !== 'function')
  // The context type only matters to the caller; inside, every context is handled alike.
  const definitions = guards.flatMap((guard) => guard.definitions as unknown as readonly GuardDefinition[])
  checkTogether(definitions)
  return fused(definitions, Object.assign({}, ...options))
}

/**
 * Creates a guard of one definition for every position: middleware, around a handler, a decorator, or part of a composed guard.
 */
export function guardOf<C extends Context>(definition: GuardDefinition): Guard<C> {
  return fused([definition], {})
}

function fused<C extends Context>(
  definitions: readonly GuardDefinition[],
  options: ComposeOptions,
): Guard<C> {
  const label = labelOf(definitions)
  const { storage, clock, timers } = options
  checkedClock(clock, 'compose.clock')
  // Claims the name now rather than with the first update, so that names follow the order of wiring.
  const name = options.name ?? claim(label, storage)
  const own: OwnServices | undefined =
    storage === undefined && clock === undefined && timers === undefined ? undefined : { ...options, name }
  // Guards with a name are counted apart, so that they do not change the numbers of unnamed ones.
  const crowded = tooMany(
    options.name === undefined ? name : own === undefined ? claim(`compose ${name}~`) : '',
  )
  const named = (root: Chain | undefined): string => {
    noteUsedAlone(guard, root)
    // Limits of guards that are created with each update may differ although the guards have one name.
    return crowded ? `${options.name === undefined ? '' : `${name} `}${label} (many)` : name
  }
  const inPlace = new Layer(definitions, named, undefined, own, crowded)
  const guards: Guards = { definitions, own, label, name: options.name }
  const guard = (first: unknown, second: unknown, third: unknown): unknown => {
    if (typeof second !== 'function') return positioned(guards, first, second, third)
    if (typeof first === 'function') {
      throw new SentinelError('handler.invalid', `${label}: it guards one handler, but was given two.`)
    }
    return inPlace.run(first as unknown as Context, second as NextFunction)
  }
  if (own === undefined && options.name === undefined && !crowded) registerGuard(guard, name)
  return Object.assign(guard, { definitions }) as unknown as Guard<C>
}
