import type { Context } from 'grammy'
import type { Facts } from '../../core/facts.js'
import type { Denied } from '../../core/verdict.js'

/**
 * What a denial function is told.
 *
 * @example
 * ```ts
 * import type { Context } from 'grammy'
 * import type { DenialContext } from 'grammy-sentinel'
 *
 * async function told({ ctx, notice, text }: DenialContext<Context>): Promise<void> {
 *   if (notice) await ctx.reply(text)
 * }
 * ```
 */
export interface DenialContext<C extends Context> {
  readonly ctx: C
  readonly facts: Facts
  readonly verdict: Denied
  /** Whether it is time to say so: the first refusal of `noticeEvery`, within the budget. */
  readonly notice: boolean
  /** The text that would be said, in the actor's language. */
  readonly text: string
}

/**
 * How whoever is stopped is answered: not at all, with a notice once per window, or by your function (which must
 * say to itself when `notice` is false, or a flood is answered with a flood). A tapped button that your function has not
 * answered is answered for it, with nothing. A function is waited for ten seconds at most; then an `error` event tells of it.
 *
 * @example
 * ```ts
 * import { type Denial, throttle } from 'grammy-sentinel'
 *
 * const told: Denial = async ({ ctx, notice, text }) => {
 *   if (notice) await ctx.reply(text)
 * }
 * throttle({ limit: '5/10s', deny: told })
 * ```
 */
export type Denial<C extends Context = Context> =
  | 'silent'
  | 'notice'
  | ((denial: DenialContext<C>) => unknown | Promise<unknown>)
