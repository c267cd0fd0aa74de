import type { Context } from 'grammy'
import { isPromise, type MaybePromise } from '../core/check.js'
import { parseDuration } from '../core/duration.js'
import type { Activity } from '../core/facts.js'
import { isOfChat } from '../core/roles.js'
import { memberKey } from '../core/subject.js'
import type { Denial } from '../middleware/denial.js'
import type { Admission, GuardDefinition, Wired, Wiring } from '../middleware/guard.js'

const DEEDS: readonly Activity[] = ['message', 'edit', 'tap', 'inline', 'reaction', 'vote', 'checkout']
/** No role has an empty name: nobody holds this. */
const NOBODY = 'role:'

/** What a policy asks of roles. */
export interface RoleDemand {
  /** The policy. */
  readonly name: string
  readonly roles: readonly string[]
  readonly deny?: Denial<Context> | undefined
  readonly noticeEvery?: unknown
  readonly shadow?: boolean | undefined
}

/**
 * Lets in who holds one of the roles, or one that counts as it, everywhere or in the chat of the update. Decided with the rest of
 * the plan; Telegram is asked only for the roles that it gives, and only about whom no mark lets in.
 */
export function demandRoles(demand: RoleDemand): GuardDefinition {
  return { name: 'auth', wire: (wiring) => wire(wiring, demand) }
}

function wire(wiring: Wiring<Context>, { name, roles, ...how }: RoleDemand): Wired<Context> {
  const { house } = wiring
  for (const role of roles) house.roles.check(role, `policy ${name}.roles`)
  const { deny = 'notice', shadow = false } = how
  const noticeEvery = parseDuration((how.noticeEvery ?? '1m') as '1m', `policy ${name}.noticeEvery`)
  const marks = roles.flatMap((role) => house.roles.marksOf(role))
  const anyOf = marks.length === 0 ? [NOBODY] : [...new Set(marks)]
  const actor = wiring.scope('actor', (facts) => facts.actor)
  const member = wiring.scope('member.roles', ({ actor: who, chatId, inGroup }) =>
    who === undefined || chatId === undefined || !inGroup ? undefined : memberKey(who, chatId),
  )
  const ofChat = [...new Set(roles.flatMap((role) => house.roles.countingAs(role)))].filter(isOfChat)
  const asked = wiring.ask({
    check: {
      kind: 'present',
      guard: 'auth',
      slot: `policy.${name}.roles`,
      subject: actor,
      anyOf,
      // Left out for whoever holds one of them in this chat: here or everywhere, in one check.
      unless: { subject: member, anyOf },
      whenDown: 'closed',
      shadow: shadow || ofChat.length > 0,
      onRefusal: deny === 'silent' || ofChat.length > 0 ? {} : { noticeEvery },
    },
    on: DEEDS,
    excused: 'roles',
    name: `${name}.roles`,
    reason: 'unregistered',
    denial: deny,
    ...(ofChat.length > 0 && { probe: true }),
  })
  if (ofChat.length === 0) return {}
  return {
    denial: deny,
    shadow,
    needs: ['chat_member'],
    admit(facts, ctx, probed): MaybePromise<Admission | undefined> {
      if (!probed.includes(asked)) return undefined
      const given = house.chatRoles.rolesOf(facts, ctx)
      const admission = (held: readonly string[]): Admission | undefined =>
        held.some((role) => ofChat.includes(role))
          ? undefined
          : {
              veto: 'unregistered',
              by: {
                guard: 'auth',
                limit: `${name}.roles`,
                retryAfterMs: Number.POSITIVE_INFINITY,
                notice: true,
              },
            }
      return isPromise(given) ? given.then(admission) : admission(given)
    },
  }
}
