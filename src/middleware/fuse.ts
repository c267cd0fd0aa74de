import type { Composer } from 'grammy'
import { SentinelError } from '../core/errors.js'
import { shown } from '../core/show.js'
import { withNeighboursJoined } from './position/beside.js'

/** What of a composer takes middleware; all else it has comes down to these. */
const TAKES_MIDDLEWARE = ['use', 'filter', 'fork', 'branch', 'errorBoundary'] as const

const fused = new WeakSet<object>()

/**
 * Lets a composer ask guards together that stand side by side in one call: `bot.command('buy', throttle('3/1m'), debounce('1s'), buy)`
 * then costs one round trip, as `compose()` and decorators do. By itself grammY shows no middleware its neighbours, so that each guard
 * would cost one. `guard.install(bot)` does it for its bot; composers of your own are given here, before anything is registered on them.
 *
 * What guards let pass stays what it was, and so do their names; a refusal of one charges none of those that are asked with it. Asked
 * apart are: what comes after a guard whose last word is elsewhere (a resolver of `auth()`, a role that Telegram gives, `fromRateLimiter()`), after
 * `concurrency()` and a debounce that holds back; `membership()` and `once()` behind others; a guard that stands in several places, which is
 * one limit; what `compose()` was given a name, storage or clock for.
 *
 * @param composer A bot or a composer; composers that its methods return are fused, too. A second time changes nothing.
 * @returns The same composer.
 * @throws SentinelError `option.invalid` for what is no composer.
 *
 * @example
 * ```ts
 * import { Composer } from 'grammy'
 * import { fuse, requireRole, throttle } from 'grammy-sentinel'
 *
 * export const shop = fuse(new Composer())
 * shop.command('sell', requireRole('seller'), throttle('3/1m'), (ctx) => ctx.reply('Sold.')) // one trip
 * ```
 */
export function fuse<Own extends Pick<Composer<never>, 'middleware'>>(composer: Own): Own {
  const taking = Object(composer) as Record<string, unknown>
  if (!isComposer(composer)) {
    throw new SentinelError(
      'option.invalid',
      `fuse: ${shown(composer)} is no composer. Pass a Bot or a Composer of grammY's.`,
    )
  }
  if (fused.has(composer)) return composer
  fused.add(composer)
  for (const name of TAKES_MIDDLEWARE) {
    const take = taking[name] as (...given: unknown[]) => unknown
    taking[name] = function (this: unknown, ...given: unknown[]): unknown {
      const lists = given.map((each) => (Array.isArray(each) ? withNeighboursJoined(each) : each))
      // The two sides of a branch are not asked together, so neighbours are joined within each side only.
      const joined = withNeighboursJoined(lists)
      const made = take.apply(this, name === 'branch' ? lists : joined)
      return isComposer(made) ? fuse(made) : made
    }
  }
  return composer
}

function isComposer(given: unknown): given is Pick<Composer<never>, 'middleware'> {
  const taking = Object(given) as Record<string, unknown>
  return TAKES_MIDDLEWARE.every((name) => typeof taking[name] === 'function')
}
