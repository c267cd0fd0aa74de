import type { Context } from 'grammy'
import type { WhenDown } from '../core/check.js'
import type { Duration } from '../core/duration.js'
import type { Activity } from '../core/kinds.js'
import { checkedRole, isOfChat } from '../core/roles.js'
import { REGISTERED } from './auth.js'
import { guardOf } from './compose.js'
import type { Guard, Wired, Wiring } from './guard.js'
import { parseOptions } from './options/schema.js'
import type { Denial } from './refusing/denial.js'
import { type DemandSettings, demandOf, demandOptions, NOBODY } from './roles/demand.js'

/**
 * Options of `requireRegistered()`, `requireRole()` and `requirePermission()`. Durations are texts such as `'1m'`, or milliseconds.
 *
 * @example
 * ```ts
 * import { type RequireOptions, requireRole } from 'grammy-sentinel'
 *
 * const quietly: RequireOptions = { deny: 'silent', on: ['tap'] }
 * requireRole('admin', quietly)
 * ```
 */
export interface RequireOptions<C extends Context = Context> {
  /** The activities it covers. @default everything but completed payments */
  readonly on?: readonly Activity[] | undefined
  /** How a refused update is answered. @default 'notice' */
  readonly deny?: Denial<C> | undefined
  /** The shortest time between two notices. @default '1m' */
  readonly noticeEvery?: Duration | undefined
  /** Evaluates and counts updates and tells listeners, but never refuses. @default false */
  readonly shadow?: boolean | undefined
  /**
   * What happens while the storage does not answer: `closed` refuses (`unavailable`), `local` uses the last known copy of
   * registrations and roles, `open` lets everybody in. @default 'closed'
   */
  readonly onFailure?: WhenDown | undefined
}

/**
 * Admits only registered actors (`guard.register()`), in every position a guard can take. Everybody else is refused with the
 * reason `unregistered`, as are updates without an actor, such as the result of a poll. To gate a whole bot, with `/start` left
 * open, use {@link auth}.
 *
 * @throws SentinelError `option.invalid`, `option.unknown`, `duration.invalid`.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { requireRegistered, sentinel } from 'grammy-sentinel'
 *
 * const bot = new Bot('123:token')
 * const guard = sentinel()
 * bot.use(guard)
 * bot.command('register', async (ctx) => {
 *   if (ctx.from !== undefined) await guard.register(ctx.from.id)
 * })
 * bot.command('orders', requireRegistered(), (ctx) => ctx.reply('Your orders: …'))
 * ```
 */
export function requireRegistered<C extends Context = Context>(given: RequireOptions<C> = {}): Guard<C> {
  return demanding('requireRegistered', undefined, given as object)
}

/**
 * Admits only actors who hold one of the roles, or a role that extends one of them: granted everywhere, in the chat of the
 * update, or assigned by Telegram (`chat:administrator` …). Everybody else is refused with the reason `forbidden`, as are updates
 * without an actor. Two `requireRole()` guards on one handler require both.
 *
 * Telegram is asked only if one of the roles is assigned by Telegram, and only about actors whom no other role admits.
 *
 * @param role The name of a role, as `guard.grant()` takes it; further names may follow, and options come last.
 * @throws SentinelError `option.invalid`, `option.unknown`, `duration.invalid`; when it is wired, `role.unknown` if the sentinel
 * defines its roles and this is not among them.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { requireRole, sentinel } from 'grammy-sentinel'
 *
 * const bot = new Bot('123:token')
 * bot.use(sentinel())
 * bot.command('refund', requireRole('admin', 'support'), (ctx) => ctx.reply('Refunded.'))
 * bot.command('export', requireRole('admin', { deny: 'silent' }), (ctx) => ctx.reply('Here it is.'))
 * ```
 */
export function requireRole<C extends Context = Context>(
  role: string,
  ...more: readonly (string | RequireOptions<C>)[]
): Guard<C> {
  const last = more.at(-1)
  const given = typeof last === 'object' ? last : {}
  const names = [role, ...(typeof last === 'object' ? more.slice(0, -1) : more)].map(checkedRole)
  return demanding('requireRole', [...new Set(names)], given)
}

function demanding<C extends Context>(
  word: string,
  roles: readonly string[] | undefined,
  given: object,
): Guard<C> {
  const settings = parseOptions(word, demandOptions, given)
  return guardOf({
    name: word,
    ...(roles !== undefined && { label: roles.join('|') }),
    wire: (wiring) => wire(wiring, roles, settings),
  })
}

/** @param required The accepted roles; undefined requires registration instead. */
function wire(
  wiring: Wiring<Context>,
  required: readonly string[] | undefined,
  settings: DemandSettings,
): Wired<Context> | undefined {
  const { roles } = wiring.services
  for (const role of required ?? []) roles.check(role, 'requireRole')
  const name = required === undefined ? 'registered' : required.join('|')
  const demand = demandOf(
    wiring,
    {
      guard: 'auth',
      base: `require.${name}`,
      name,
      reason: required === undefined ? 'unregistered' : 'forbidden',
      // Administrators of the chat are not exempt: anybody can create a group and add the bot to it.
      exempt: 'roles',
    },
    settings,
  )
  const { slot } = demand
  // A demand that is made twice is checked once.
  if (wiring.asks(slot)) return undefined
  const held = required === undefined ? [REGISTERED] : required.flatMap((role) => roles.marksOf(role))
  const anyOf = held.length === 0 ? [NOBODY] : [...new Set(held)]
  const byTelegram = (required ?? []).flatMap((role) => roles.countingAs(role)).filter(isOfChat)
  const asksTelegram = byTelegram.length > 0
  const here = required === undefined ? {} : { unless: { subject: demand.member(), anyOf } }
  const refusing = asksTelegram ? { shadow: true, onRefusal: {} } : demand.noticing
  const asked = demand.ask({ kind: 'present', slot, anyOf, ...here, ...refusing }, asksTelegram)
  // A probe never refuses, so while the storage does not answer this check refuses in its place.
  if (asksTelegram) demand.ask({ kind: 'absent', slot: `${slot}~`, anyOf: [NOBODY] })
  return demand.wired(asksTelegram, (facts, ctx, probed) =>
    probed.includes(asked)
      ? demand.byTelegram(facts, ctx, (given) => given.some((role) => byTelegram.includes(role)))
      : undefined,
  )
}
