import type { Context, MiddlewareFn } from 'grammy'
import { Exemptions } from './exemptions.js'
import type { Guard, GuardDefinition } from './guard.js'
import { chainName, furnish, type HouseOptions } from './house.js'
import { Chain, newTally } from './pipeline.js'
import { Questions } from './wiring.js'

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
export interface ComposeOptions extends Pick<HouseOptions, 'storage' | 'clock' | 'timers'> {
  /** Names the state of this chain, where several chains share one storage. @default by order of making */
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
  // Wired once for nothing: what does not fit together is told here, and not by the first update.
  new Questions(furnish({}), definitions)
  return fused(definitions, Object.assign({}, ...options))
}

/** A guard of one definition: middleware by itself, and a part for others. */
export function guardOf<C extends Context>(definition: GuardDefinition<C>): Guard<C> {
  return fused([definition], {})
}

function fused<C extends Context>(
  definitions: readonly GuardDefinition<C>[],
  options: ComposeOptions,
): Guard<C> {
  let chain: Chain<C> | undefined
  const run: MiddlewareFn<C> = (ctx, next) => {
    chain ??= chainOf(definitions, options)
    return chain.run(ctx, next)
  }
  return Object.assign(run, { definitions })
}

/** A chain that stands alone: its own storage unless one is given. */
function chainOf<C extends Context>(
  definitions: readonly GuardDefinition<C>[],
  options: ComposeOptions,
): Chain<C> {
  const house = furnish(options)
  const name = options.name ?? chainName(house.storage)
  return new Chain(house, definitions, name, new Exemptions({}, undefined), newTally(), true)
}
