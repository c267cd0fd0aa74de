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
 * async function told({ ctx, say }: DenialContext<Context>): Promise<void> {
 *   say('Not so fast, please.')
 *   await ctx.deleteMessage()
 * }
 * ```
 */
export interface DenialContext<C extends Context> {
  readonly ctx: C
  readonly facts: Facts
  readonly verdict: Denied
  /** Whether it is time to say so: the first refusal of `noticeEvery`, or one that is owed a notice, within the budget. */
  readonly notice: boolean
  /** The text that would be said, in the actor's language. */
  readonly text: string
  /**
   * Says it as `'notice'` would, in `text` or in words of yours: in private, to a command in a group for its sender's eyes, as the
   * answer to a tap. Does nothing where it is not time (`notice`), and is said later where nothing may be said here. Once per refusal.
   * Sent aside: what fails is told as an `error` event, `during: 'notice'` or `'answer'`.
   */
  readonly say: (text?: string) => void
}

/**
 * How whoever is stopped is answered: not at all, with a notice once per window, or by your function, whose `say()` gives the notice.
 * One that writes by itself does so where `notice` is true, or a flood is answered with a flood. A tapped button that your function
 * has not answered is answered for it, with nothing. A function is waited for ten seconds at most; then an `error` event tells of it.
 *
 * @example
 * ```ts
 * import { type Denial, throttle } from 'grammy-sentinel'
 *
 * const told: Denial = async ({ ctx, say }) => {
 *   say()
 *   await ctx.deleteMessage()
 * }
 * throttle({ limit: '5/10s', deny: told })
 * ```
 */
export type Denial<C extends Context = Context> =
  | 'silent'
  | 'notice'
  | ((denial: DenialContext<C>) => unknown | Promise<unknown>)
