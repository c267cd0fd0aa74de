import type { Context } from 'grammy'
import { z } from 'zod'
import { isPromise, type MaybePromise, type WhenDown } from '../core/check.js'
import { type Duration, parseDuration } from '../core/duration.js'
import { ACTIVITIES, type Activity, type Facts } from '../core/facts.js'
import { checkedPermission, type Grants, grantsOf, unknownPermission } from '../core/grants.js'
import { isOfChat, marksOf } from '../core/roles.js'
import { keyText, memberKey } from '../core/subject.js'
import { guardOf } from './compose.js'
import type { Admission, Guard, Question, Wired, Wiring } from './guard.js'
import { activities, onFailure, option, parseOptions, refusal } from './options/schema.js'
import { notifiedBy, type Recent } from './recent.js'
import type { Denial } from './refusing/denial.js'
import { demandSlot } from './roles/demand.js'
import type { Services } from './services.js'

const GUARD = 'permission'
/** Completed payments are never refused; everything else is closed to those who lack the permission. */
const USUAL: readonly Activity[] = ACTIVITIES.filter((activity) => activity !== 'payment')
/** A mark that nobody holds, since no role has an empty name. */
const NOBODY = 'role:'

const options = z.strictObject({
  on: option(activities, 'What it is for. Default: everything but payments that were made.'),
  ...refusal,
  onFailure: onFailure('closed'),
})

/**
 * Options of {@link requirePermission}. Durations are texts such as `'1m'`, or milliseconds.
 *
 * @example
 * ```ts
 * import { type PermissionOptions, requirePermission } from 'grammy-sentinel'
 *
 * const quietly: PermissionOptions = { deny: 'silent', on: ['tap'] }
 * requirePermission('orders.refund', quietly)
 * ```
 */
export interface PermissionOptions<C extends Context = Context> {
  /** The activities it covers. @default everything but completed payments */
  readonly on?: readonly Activity[]
  /** How a refused update is answered. @default 'notice' */
  readonly deny?: Denial<C>
  /** The shortest time between two notices. @default '1m' */
  readonly noticeEvery?: Duration
  /** Evaluates and counts updates and tells listeners, but never refuses. @default false */
  readonly shadow?: boolean
  /**
   * What happens while the storage does not answer: `closed` refuses (`unavailable`), `local` uses the last known copy of who
   * holds which role, `open` lets everybody in. @default 'closed'
   */
  readonly onFailure?: WhenDown
}

type Settings = z.output<typeof options>

/**
 * Admits only actors with a permission: they hold a role that allows it (see `roles` of `sentinel()`), everywhere or in the chat
 * of the update, and none that denies it. Everybody else is refused with the reason `forbidden`, as are updates without an actor,
 * such as the result of a poll. Roles are expanded when the guard is wired, so that it is decided together with the rest of its
 * chain. Telegram is asked only if a role that it assigns (`chat:administrator` …) matters, and only if the plan does not already
 * refuse or exempt the actor.
 *
 * @throws SentinelError `option.invalid`, `option.unknown`, `duration.invalid`; when it is wired, `permission.unknown` if no role
 * allows the permission: thrown while a chain is built; in front of a handler reported as an `error` event, and the handler
 * refuses everybody.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { requirePermission, sentinel } from 'grammy-sentinel'
 *
 * const bot = new Bot('123:token')
 * bot.use(sentinel({ roles: { admin: { allow: ['orders.*'] } } }))
 * bot.command('refund', requirePermission('orders.refund'), (ctx) => ctx.reply('Refunded.'))
 * ```
 */
export function requirePermission<C extends Context = Context>(
  permission: string,
  given: PermissionOptions<C> = {},
): Guard<C> {
  const name = checkedPermission(permission, 'requirePermission')
  const settings = parseOptions('requirePermission', options, given)
  return guardOf({
    name: GUARD,
    label: name,
    wire: (wiring) => wire(wiring, name, settings),
  })
}

function wire(wiring: Wiring<Context>, permission: string, settings: Settings): Wired<Context> | undefined {
  const { services } = wiring
  const base = demandSlot(`${GUARD}.${permission}`, settings, USUAL)
  // A permission that is required twice is checked once.
  if (wiring.asks(base) || wiring.asks(`${base}?`)) return undefined
  const unknown = unknownPermission(services.roles, permission, 'requirePermission')
  // A guard wired on its own knows no roles yet; the error is thrown once it is wired behind a sentinel that defines roles.
  if (unknown !== undefined && services.roles.declared) throw unknown
  const grants = grantsOf(services.roles, permission)
  const { on = USUAL, deny = 'notice', shadow = false, onFailure: whenDown = 'closed' } = settings
  const noticeEvery = settings.noticeEvery ?? parseDuration('1m')
  const actor = wiring.scope('actor', (facts) => facts.actor)
  const member = wiring.scope('member.roles', ({ actor: who, chatId, inGroup }) =>
    who === undefined || chatId === undefined || !inGroup ? undefined : memberKey(who, chatId),
  )
  const byTelegram = [...grants.allowedTo, ...grants.deniedTo].some(isOfChat)
  const question: Omit<Question<Context>, 'check'> = {
    on,
    excused: 'trusted',
    name: permission,
    reason: 'forbidden',
    denial: deny,
  }
  const common = { guard: GUARD, whenDown, shadow, onRefusal: deny === 'silent' ? {} : { noticeEvery } }
  const slot = (part: string): string => `${base}${part}`
  const allowing = atLeastNobody(marksOf(grants.allowedTo))
  // Skips the check for holders of one of the roles in this chat, so that one check covers roles here and everywhere.
  const unless = { subject: member, anyOf: allowing }
  const present = { ...common, kind: 'present', subject: actor, anyOf: allowing, unless } as const
  const denying = marksOf(grants.deniedTo)
  if (denying.length > 0) {
    for (const [subject, part] of [
      [actor, '!'],
      [member, '!here'],
    ] as const) {
      wiring.ask({
        ...question,
        check: { ...common, kind: 'absent', slot: slot(part), subject, anyOf: denying },
      })
    }
  }
  const begin = (): void => {
    if (unknown !== undefined) services.failed(unknown, 'wiring')
  }
  const noticed = deny === 'silent' ? undefined : notifiedBy(services, base, noticeEvery, wiring.place)
  const telegram = new ByTelegram(services, permission, grants, noticed)
  // The plan's checks need an actor. Without one, nobody can have the permission.
  const nobody = (facts: Facts): Admission | undefined =>
    facts.actor === undefined && on.includes(facts.activity) ? telegram.veto(facts) : undefined
  if (!byTelegram) {
    wiring.ask({ ...question, check: { ...present, slot: slot('') } })
    return { begin, denial: deny, shadow, admit: nobody }
  }
  // Refuses only while the storage does not answer: a probe never refuses, so that everybody would be let in then.
  const guarding = { ...common, kind: 'absent', subject: actor, slot: slot('~'), anyOf: [NOBODY] } as const
  wiring.ask({ ...question, check: guarding })
  // The plan decides which updates are covered and who is exempt: Telegram is asked only where this probe was evaluated.
  const asked = wiring.ask({
    ...question,
    probe: true,
    check: {
      ...common,
      onRefusal: {},
      kind: 'present',
      subject: actor,
      slot: slot('??'),
      anyOf: [NOBODY],
      shadow: true,
    },
  })
  const probe = wiring.ask({
    ...question,
    probe: true,
    check: { ...present, onRefusal: {}, slot: slot('?'), shadow: true },
  })
  return {
    begin,
    denial: deny,
    shadow,
    needs: ['chat_member'],
    apart: true,
    admit: (facts, ctx, probed) =>
      probed.includes(asked) ? telegram.admit(facts, ctx, !probed.includes(probe)) : nobody(facts),
  }
}

function atLeastNobody(marks: readonly string[]): readonly string[] {
  return marks.length === 0 ? [NOBODY] : marks
}

/** Decides where roles assigned by Telegram matter: asks Telegram for them, and has the last word. */
class ByTelegram {
  constructor(
    private readonly services: Services,
    private readonly permission: string,
    private readonly grants: Grants,
    /** The actors who were notified recently; undefined if no notices are sent. */
    private readonly noticed: Recent<true> | undefined,
  ) {}

  /** @param allowed Whether a role from the storage allows the actor in. */
  admit(facts: Facts, ctx: Context, allowed: boolean): MaybePromise<Admission | undefined> {
    const given = this.services.chatRoles.rolesOf(facts, ctx)
    return isPromise(given)
      ? given.then((roles) => this.admission(facts, roles, allowed))
      : this.admission(facts, given, allowed)
  }

  private admission(facts: Facts, given: readonly string[], allowed: boolean): Admission | undefined {
    const { allowedTo, deniedTo } = this.grants
    const denied = given.some((role) => deniedTo.includes(role))
    if (!denied && (allowed || given.some((role) => allowedTo.includes(role)))) return undefined
    return this.veto(facts)
  }

  veto(facts: Facts): Admission {
    return {
      veto: 'forbidden',
      by: {
        guard: GUARD,
        limit: this.permission,
        retryAfterMs: Number.POSITIVE_INFINITY,
        notice: this.isTimeToSay(facts),
      },
    }
  }

  private isTimeToSay({ actor }: Facts): boolean {
    if (this.noticed === undefined || actor === undefined) return false
    return this.noticed.add(keyText(actor), true, this.services.steady())
  }
}
