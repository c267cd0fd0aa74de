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
import { noticedBy, type Recent } from './recent.js'
import type { Denial } from './refusing/denial.js'
import { demandSlot } from './roles/demand.js'
import type { Services } from './services.js'

const GUARD = 'permission'
/** Whoever has paid is not turned away; what takes a permission is closed to all the rest. */
const USUAL: readonly Activity[] = ACTIVITIES.filter((activity) => activity !== 'payment')
/** No role has an empty name: nobody holds this. */
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
  /** What it is for. @default everything but payments that were made */
  readonly on?: readonly Activity[]
  /** How whoever is refused is answered. @default 'notice' */
  readonly deny?: Denial<C>
  /** One notice in so long. @default '1m' */
  readonly noticeEvery?: Duration
  /** Judged, counted and told to listeners, never refusing. @default false */
  readonly shadow?: boolean
  /**
   * While the storage does not answer: `closed` refuses (`unavailable`), `local` goes by the last known copy of who holds which
   * role, `open` lets everybody in. @default 'closed'
   */
  readonly onFailure?: WhenDown
}

type Settings = z.output<typeof options>

/**
 * Lets in only who holds a role that allows something (see `roles` of `sentinel()`), everywhere or in the chat of the update,
 * and none that denies it. Refuses with the reason `forbidden`, and so it does what nobody does, such as the result of a poll. The roles are expanded when the guard is wired, so it is
 * decided with the rest of its chain; only for roles that Telegram gives (`chat:administrator` …) is Telegram asked, and
 * only whom no role of yours lets in.
 *
 * @throws SentinelError `option.invalid`, `option.unknown`, `duration.invalid`; when it is wired, `permission.unknown` for what no
 * role allows: thrown where a chain is made, told as `error` where it stands in front of a handler, which then lets nobody in.
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
  }) as unknown as Guard<C>
}

function wire(wiring: Wiring<Context>, permission: string, settings: Settings): Wired<Context> | undefined {
  const { services } = wiring
  const base = demandSlot(`${GUARD}.${permission}`, settings, USUAL)
  // The same permission asked for twice is checked once.
  if (wiring.asks(base) || wiring.asks(`${base}?`)) return undefined
  const unknown = unknownPermission(services.roles, permission, 'requirePermission')
  // A guard that is wired by itself knows no roles yet. The error is thrown when it stands in a bot.
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
  // Skipped for those who hold one of the roles in this chat. So one check asks for a role in this chat or everywhere.
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
    if (unknown !== undefined) services.events.tell('error', { error: unknown, during: 'wiring' })
  }
  const noticed = deny === 'silent' ? undefined : noticedBy(wiring, base, noticeEvery)
  const telegram = new ByTelegram(services, permission, grants, noticed)
  // The plan asks about somebody. Where nobody acts, nobody may.
  const nobody = (facts: Facts): Admission | undefined =>
    facts.actor === undefined && on.includes(facts.activity) ? telegram.veto(facts) : undefined
  if (!byTelegram) {
    wiring.ask({ ...question, check: { ...present, slot: slot('') } })
    return { begin, denial: deny, shadow, admit: nobody }
  }
  // Refuses only while the storage does not answer. A probe never refuses, so without this check everybody would be let in then.
  const guarding = { ...common, kind: 'absent', subject: actor, slot: slot('~'), anyOf: [NOBODY] } as const
  wiring.ask({ ...question, check: guarding })
  // The plan decides which updates this is for, and who is exempt. Telegram is asked only about those whom the plan does not know.
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

/** Asks for the roles that Telegram gives, and has the last word where they matter. */
class ByTelegram {
  constructor(
    private readonly services: Services,
    private readonly permission: string,
    private readonly grants: Grants,
    /** To whom it was said; undefined where nothing is. */
    private readonly noticed: Recent<true> | undefined,
  ) {}

  /** @param allowed Whether a role of ours lets the actor in. */
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
    const name = keyText(actor)
    const now = this.services.clock()
    if (this.noticed.get(name, now) !== undefined) return false
    this.noticed.set(name, true, now)
    return true
  }
}
