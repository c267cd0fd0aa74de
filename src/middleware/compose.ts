import type { Context, NextFunction } from 'grammy'
import { checkedClock } from '../core/checked-clock.js'
import { SentinelError } from '../core/errors.js'
import type { Guard, GuardDefinition } from './guard.js'
import type { Chain } from './pipeline.js'
import { checkTogether, type Guards } from './position/guarded.js'
import { Layer, labelOf, type OwnServices } from './position/layer.js'
import { claim, tooMany } from './position/place.js'
import { positioned } from './position/position.js'
import { noteStanding, standsAlone } from './position/standing.js'
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
   * Names the state of this chain, where several chains share one storage, and its limits that have no name. Around a handler it
   * goes before the handler's own name.
   *
   * @default in front of a handler by its guards, and the order of making; around one by the handler
   */
  readonly name?: string
}

/**
 * Fuses several guards into one: facts are read once, and all of them are decided in one call, in order.
 *
 * `sentinel()` does the same, with defaults, marks and management around it.
 *
 * @throws SentinelError `limit.duplicate` when two limits have one name, `plan.invalid` when there are too many.
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
  const definitions = guards.flatMap(({ definitions }) => definitions)
  checkTogether(definitions as unknown as readonly GuardDefinition[])
  return fused(definitions, Object.assign({}, ...options))
}

/** A guard of one definition, in every position: middleware, around a handler, a decorator; and a part for others. */
export function guardOf<C extends Context>(definition: GuardDefinition<C>): Guard<C> {
  return fused([definition], {})
}

function fused<C extends Context>(
  definitions: readonly GuardDefinition<C>[],
  options: ComposeOptions,
): Guard<C> {
  const label = labelOf(definitions)
  const { storage, clock, timers } = options
  checkedClock(clock, 'compose.clock')
  // Now, and not when the first update comes: in the order of wiring.
  const name = options.name ?? claim(label, storage)
  const own: OwnServices | undefined =
    storage === undefined && clock === undefined && timers === undefined ? undefined : { ...options, name }
  const crowded = options.name === undefined && tooMany(name)
  const named = (root: Chain<Context> | undefined): string => {
    standsAlone(guard, root)
    return crowded ? `${label} (many)` : name
  }
  const inPlace = new Layer(definitions, named, undefined, own, crowded)
  const all = definitions as unknown as readonly GuardDefinition[]
  const guards: Guards = { definitions: all, own, label, name: options.name }
  const guard = (first: unknown, second: unknown, third: unknown): unknown => {
    if (typeof second !== 'function') return positioned(guards, first, second, third)
    if (typeof first === 'function') {
      throw new SentinelError(
        'handler.invalid',
        `${label}: it guards one handler at a time, and was given two.`,
      )
    }
    return inPlace.run(first as C, second as NextFunction)
  }
  if (own === undefined && options.name === undefined && !crowded) noteStanding(guard, name)
  return Object.assign(guard, { definitions }) as unknown as Guard<C>
}
