import type { Context } from 'grammy'
import type { Facts } from '../../core/facts.js'
import type { Denied } from '../../core/verdict.js'

/**
 * The argument of a denial function.
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
  /**
   * The context of the update. In a guard of a `sentinel()`, properties that later plugins add may not exist yet: `ctx.sentinel`,
   * `ctx.session`. Use `facts` and `verdict`.
   */
  readonly ctx: C
  readonly facts: Facts
  readonly verdict: Denied
  /**
   * Whether a notice is due and within the budget: for the first refusal of `noticeEvery`, or because an earlier notice is still
   * owed.
   */
  readonly notice: boolean
  /** The text of the notice, in the actor's language. */
  readonly text: string
  /**
   * Sends the notice as `'notice'` would, with `text` or a text of yours: in a private chat as a message, for a command in a
   * group visible to its sender only (where Telegram supports that), for a tap as its answer. Does nothing if no notice is due
   * (`notice`); where none may be sent, it is sent later. Works once per refusal. Runs in the background: failures are reported
   * as an `error` event, `during: 'notice'` or `'answer'`.
   */
  readonly say: (text?: string) => void
}

/**
 * How a stopped update is answered: silently, with a notice once per `noticeEvery`, or by a function, whose `say()` sends the
 * notice. A function that sends messages itself should do so only if `notice` is true, or it answers a flood with a flood. A
 * tapped button that the function has not answered gets an empty answer. A function that runs for more than ten seconds is
 * reported as an `error` event.
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
