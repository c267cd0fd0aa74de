import type { Context } from 'grammy'
import { z } from 'zod'
import { isPromise, type MaybePromise, type WhenDown } from '../core/check.js'
import { type Duration, parseDuration } from '../core/duration.js'
import type { Facts } from '../core/facts.js'
import { ACTIVITIES, type Activity } from '../core/kinds.js'
import { checkedRole, isOfChat } from '../core/roles.js'
import { keyText, memberKey } from '../core/subject.js'
import { REGISTERED } from './auth.js'
import { guardOf } from './compose.js'
import type { Admission, Guard, Wired, Wiring } from './guard.js'
import { activities, onFailure, option, parseOptions, refusal } from './options/schema.js'
import { notifiedBy } from './recent.js'
import type { Denial } from './refusing/denial.js'
import { demandSlot } from './roles/demand.js'

/** Completed payments are never refused; everything else is closed to those who lack the role. */
const USUAL: readonly Activity[] = ACTIVITIES.filter((activity) => activity !== 'payment')
/** A mark that nobody holds, since no role has an empty name. */
const NOBODY = 'role:'

const options = z.strictObject({
  on: option(activities, 'What it is for. Default: everything but payments that were made.'),
  ...refusal,
  onFailure: onFailure('closed'),
})

/**
 * Options of {@link requireRegistered} and {@link requireRole}. Durations are texts such as `'1m'`, or milliseconds.
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
  readonly on?: readonly Activity[]
  /** How a refused update is answered. @default 'notice' */
  readonly deny?: Denial<C>
  /** The shortest time between two notices. @default '1m' */
  readonly noticeEvery?: Duration
  /** Evaluates and counts updates and tells listeners, but never refuses. @default false */
  readonly shadow?: boolean
  /**
   * What happens while the storage does not answer: `closed` refuses (`unavailable`), `local` uses the last known copy of
   * registrations and roles, `open` lets everybody in. @default 'closed'
   */
  readonly onFailure?: WhenDown
}

interface Demand extends z.output<typeof options> {
  /** The accepted roles; undefined requires registration instead. */
  readonly roles: readonly string[] | undefined
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
  const demand: Demand = { ...parseOptions(word, options, given), roles }
  return guardOf({
    name: word,
    ...(roles !== undefined && { label: roles.join('|') }),
    wire: (wiring) => wire(wiring, demand),
  })
}

function wire(wiring: Wiring<Context>, { roles, ...settings }: Demand): Wired<Context> | undefined {
  const { services } = wiring
  for (const role of roles ?? []) services.roles.check(role, 'requireRole')
  const name = roles === undefined ? 'registered' : roles.join('|')
  const reason = roles === undefined ? 'unregistered' : 'forbidden'
  const slot = demandSlot(`require.${name}`, settings, USUAL)
  // A demand that is made twice is checked once.
  if (wiring.asks(slot)) return undefined
  const { on = USUAL, deny = 'notice', shadow = false, onFailure: whenDown = 'closed' } = settings
  const noticeEvery = settings.noticeEvery ?? parseDuration('1m')
  const actor = wiring.scope('actor', (facts) => facts.actor)
  const held = roles === undefined ? [REGISTERED] : roles.flatMap((role) => services.roles.marksOf(role))
  const anyOf = held.length === 0 ? [NOBODY] : [...new Set(held)]
  const byTelegram = (roles ?? []).flatMap((role) => services.roles.countingAs(role)).filter(isOfChat)
  const asked = wiring.ask({
    check: {
      kind: 'present',
      guard: 'auth',
      slot,
      subject: actor,
      anyOf,
      ...(roles !== undefined && { unless: { subject: inChat(wiring), anyOf } }),
      whenDown,
      shadow: shadow || byTelegram.length > 0,
      onRefusal: deny === 'silent' || byTelegram.length > 0 ? {} : { noticeEvery },
    },
    on,
    // Administrators of the chat are not exempt: anybody can create a group and add the bot to it.
    excused: 'roles',
    name,
    reason,
    denial: deny,
    probe: byTelegram.length > 0,
  })
  // A probe never refuses, so while the storage does not answer this check refuses in its place.
  if (byTelegram.length > 0) {
    wiring.ask({
      check: {
        kind: 'absent',
        guard: 'auth',
        slot: `${slot}~`,
        subject: actor,
        anyOf: [NOBODY],
        whenDown,
        shadow,
      },
      on,
      excused: 'roles',
      name,
      reason,
      denial: deny,
    })
  }
  const noticed = notifiedBy(services, slot, noticeEvery, wiring.place)
  /** Whether a notice is due. For the plan's own refusals the storage decides that; for a veto made here, this function does. */
  const isTimeToSay = ({ actor: who }: Facts): boolean => {
    if (deny === 'silent' || who === undefined) return false
    return noticed.add(keyText(who), true, services.steady())
  }
  const veto = (facts: Facts): Admission => ({
    veto: reason,
    by: { guard: 'auth', limit: name, retryAfterMs: Number.POSITIVE_INFINITY, notice: isTimeToSay(facts) },
  })
  const ruling = (facts: Facts, given: readonly string[]): Admission | undefined =>
    given.some((role) => byTelegram.includes(role)) ? undefined : veto(facts)
  return {
    denial: deny,
    shadow,
    ...(byTelegram.length > 0 && { needs: ['chat_member'], apart: true }),
    admit(facts, ctx, probed): MaybePromise<Admission | undefined> {
      // The plan's check needs an actor. Without one, nobody can be registered.
      if (facts.actor === undefined) return on.includes(facts.activity) ? veto(facts) : undefined
      if (byTelegram.length === 0 || !probed.includes(asked)) return undefined
      const given = services.chatRoles.rolesOf(facts, ctx)
      return isPromise(given) ? given.then((roles) => ruling(facts, roles)) : ruling(facts, given)
    },
  }
}

/** The actor in the group of the update, for roles granted in that group only. */
function inChat(wiring: Wiring<Context>): number {
  return wiring.scope('member.roles', ({ actor, chatId, inGroup }: Facts) =>
    actor === undefined || chatId === undefined || !inGroup ? undefined : memberKey(actor, chatId),
  )
}
