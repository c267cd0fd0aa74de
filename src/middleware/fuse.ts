import type { Composer } from 'grammy'
import { SentinelError } from '../core/errors.js'
import { shown } from '../core/show.js'
import { withAdjacentJoined } from './position/join-adjacent.js'

/** The methods of a composer that take middleware; all its other methods call one of these. */
const TAKES_MIDDLEWARE = ['use', 'filter', 'fork', 'branch', 'errorBoundary'] as const

const fused = new WeakSet<object>()

/**
 * Makes a composer combine guards that are registered next to each other into one call:
 * `bot.command('buy', throttle('3/1m'), debounce('1s'), buy)` then costs one round trip, as with `compose()` and decorators.
 * grammY itself runs each middleware separately, so that each guard would cost a round trip. `guard.install(bot)` calls it for
 * its bot; for composers of your own call it before anything is registered on them.
 *
 * Decisions and limit names stay the same, except that a refusal by one guard charges none of those asked together with it. Still
 * asked separately: guards behind one that decides by something other than the storage (a resolver of `auth()`, a role that
 * Telegram assigns, `fromRateLimiter()`), behind `concurrency()` or behind a debounce that holds updates back; `membership()` and
 * `once()` behind other guards; a guard used in several places, which is one limit; and a `compose()` with a name, storage or
 * clock.
 *
 * @param composer A bot or a composer. Composers that its methods return are included. A second call has no effect.
 * @returns The same composer.
 * @throws SentinelError `option.invalid` if the argument is not a composer.
 *
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
      `fuse: ${shown(composer)} is not a composer. Pass a Bot or a Composer of grammY.`,
    )
  }
  if (fused.has(composer)) return composer
  fused.add(composer)
  for (const name of TAKES_MIDDLEWARE) {
    const take = taking[name] as (...given: unknown[]) => unknown
    taking[name] = function (this: unknown, ...given: unknown[]): unknown {
      const lists = given.map((each) => (Array.isArray(each) ? withAdjacentJoined(each) : each))
      // The two sides of a branch are not asked together, so neighbours are joined within each side only.
      const joined = withAdjacentJoined(lists)
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
