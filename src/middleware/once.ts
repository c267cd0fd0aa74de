import { z } from 'zod'
import type { WhenDown } from '../core/check.js'
import type { Duration } from '../core/duration.js'
import { ACTIVITIES } from '../core/kinds.js'
import { GLOBAL_KEY } from '../core/subject.js'
import { guardOf } from './compose.js'
import type { Guard } from './guard.js'
import { onFailure, option, parseOptions, timeSpan } from './options/schema.js'

export const onceOptions = z.strictObject({
  for: option(timeSpan, 'How long an update is remembered. Telegram redelivers for a day.', '1d'),
  lease: option(
    timeSpan,
    'Strict mode: how long a handler may take before another worker may take the update over.',
  ),
  onFailure: onFailure('local'),
})

/**
 * Options of {@link once}.
 *
 * @example
 * ```ts
 * import { type OnceOptions, once } from 'grammy-sentinel'
 *
 * const strict: OnceOptions = { for: '12h', lease: '1m' }
 * once(strict)
 * ```
 */
export interface OnceOptions {
  /** How long an update is remembered. @default '1d', as long as Telegram keeps an update and may redeliver it */
  readonly for?: Duration | undefined
  /**
   * Strict mode: an update whose handler has neither finished nor failed within this span may be handled again, so that a killed
   * worker loses nothing. Choose a span longer than your slowest handler, plus the `maxWait` of `concurrency` if you use that: an
   * update waits for its place within the lease. @default none: an update is taken once and for all
   */
  readonly lease?: Duration | undefined
  /**
   * What happens while the storage does not answer: `local` remembers updates in this process's memory until it is back, `open`
   * lets duplicates pass, `closed` drops every update, completed payments included. @default 'local'
   */
  readonly onFailure?: WhenDown | undefined
}

/**
 * Handles a redelivered update once and charges it once.
 *
 * Updates are identified by the bot's id and the `update_id`. If the handler throws, the update is released: a redelivery runs
 * and is not charged again by any limit behind this guard that has charged it, except by a sentinel with `once: false`. A
 * duplicate that comes while the first is still running is dropped silently, like any later one. Behind a webhook Telegram
 * takes that for success, so if the first then fails, nothing is redelivered. With `lease`, a duplicate that comes after the
 * lease has ended runs, and is not charged again either.
 *
 * @throws SentinelError `option.invalid`, `option.unknown`, `duration.invalid`.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { once } from 'grammy-sentinel'
 *
 * const bot = new Bot('123:token')
 * bot.use(once({ lease: '1m' }))
 * ```
 */
export function once(options: OnceOptions = {}): Guard {
  const { for: holdFor, lease, onFailure: whenDown } = parseOptions('once', onceOptions, options)
  return guardOf({
    name: 'once',
    wire(wiring) {
      wiring.ask({
        check: {
          kind: 'claim',
          guard: 'once',
          slot: 'once',
          subject: wiring.scope('global', () => GLOBAL_KEY),
          tokens: 'sequence',
          holdFor,
          ...(lease === undefined ? {} : { lease }),
          retry: true,
          whenHeld: 'refuse',
          whenDown,
        },
        on: ACTIVITIES.filter((activity) => activity !== 'unknown'),
        token: (facts) => (facts.updateId >= 0 ? facts.updateId : undefined),
        usual: true,
        exempt: 'nobody',
        name: 'update',
        reason: 'duplicate',
        denial: 'silent',
      })
      return undefined
    },
  })
}
