import type { Context } from 'grammy'
import type { MaybePromise } from '../../core/check.js'
import type { Duration } from '../../core/duration.js'
import type { Facts } from '../../core/facts.js'

/**
 * A resolver's answer: a yes or no, or an object with details. `value` becomes `ctx.sentinel.identity`,
 * `for` is how long the answer is kept, `note` is the reason for a no.
 *
 * @example
 * ```ts
 * import { auth, type Resolution } from 'grammy-sentinel'
 *
 * async function membershipOf(id: number | undefined): Promise<Resolution> {
 *   if (id === undefined) return { allow: false, note: 'nobody', for: '1h' }
 *   return { allow: true, value: { plan: 'free' }, for: '10m' }
 * }
 * auth({ registration: 'auto', resolve: (facts) => membershipOf(facts.actorId) })
 * ```
 */
export type Resolution =
  | boolean
  | { readonly allow: boolean; readonly value?: unknown; readonly for?: Duration; readonly note?: string }

export type Resolve<C extends Context> = (facts: Facts, ctx: C) => MaybePromise<Resolution>
