import { z } from 'zod'
import { markedKey } from '../../core/chat-of.js'
import type { Duration } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { allows, isPermission, meantBy, unknownPermission } from '../../core/grants.js'
import { checkedRole, expanded, isOfChat, roleOfMark } from '../../core/roles.js'
import { shown } from '../../core/show.js'
import { type Key, keySubject, memberKey, type Subject, subject, subjectKey } from '../../core/subject.js'
import { type Administration, keysOf, untilOf } from '../block/administration.js'
import { stagedNames } from '../block/staged-marks.js'
import { acting } from '../block.js'
import type { Exemptions } from '../exempt/exemptions.js'
import { option, parseOptions } from '../options/schema.js'
import type { Services } from '../services.js'
import { type Asker, heldRoles } from './permissions.js'

/**
 * Where a role is held, or a permission applies.
 *
 * @example
 * ```ts
 * import { type RoleScope, sentinel } from 'grammy-sentinel'
 *
 * const here: RoleScope = { chat: -1001234567890 }
 * await sentinel().hasRole(1234567, 'moderator', here)
 * ```
 */
export interface RoleScope {
  /** The id of the chat. @default everywhere */
  readonly chat?: number
}

/**
 * Options of `guard.grant()`. Without `for` and `until` the role is granted permanently; an end that is not in the future throws
 * `option.invalid`.
 *
 * @example
 * ```ts
 * import { type GrantOptions, sentinel } from 'grammy-sentinel'
 *
 * const trial: GrantOptions = { chat: -1001234567890, for: '30d', reason: 'on trial' }
 * await sentinel().grant(1234567, 'moderator', trial)
 * ```
 */
export interface GrantOptions extends RoleScope {
  /** How long the role is granted. Without it and `until`, permanently. */
  readonly for?: Duration
  /** The end of the grant: a date, or milliseconds since 1970, in the future. */
  readonly until?: Date | number
  /** The reason, for people; stored with the role. */
  readonly reason?: string | undefined
}

/** Checks the names of options; the values of `for` and `until` are checked by their own parsers. */
const scopeOptions = { chat: option(z.number().int(), 'In this chat only.') }
const grantOptions = z.strictObject({
  ...scopeOptions,
  for: option(z.unknown(), 'How long it lasts.'),
  until: option(z.unknown(), 'Until then.'),
  reason: option(z.string(), 'The reason, for people.'),
})
const scopeSchema = z.strictObject(scopeOptions)

/** Grants and revokes roles, everywhere or in one chat, and answers who holds which. */
export class RoleAdministration {
  constructor(
    private readonly services: () => Services,
    private readonly exemptions: () => Exemptions,
    private readonly administration: Administration,
  ) {}

  async grant(whom: Subject | readonly Subject[], role: string, options: GrantOptions = {}): Promise<void> {
    const name = checkedRole(role)
    const { roles, clock } = this.services()
    roles.check(name, 'grant')
    if (isOfChat(name)) {
      throw new SentinelError(
        'option.invalid',
        `grant: ${shown(name)} is a role that only Telegram gives. Promote the user in the chat.`,
      )
    }
    parseOptions('grant', grantOptions, options)
    const since = clock()
    const until = untilOf(options, since, 'grant')
    for (const key of keysOf(whom)) {
      const { kind, actor } = keySubject(key)
      // A role granted in one chat is looked up by the member, so a member subject may act there.
      acting(
        kind === 'member' && actor !== undefined && options.chat === undefined ? subjectKey(actor) : key,
        'grant',
      )
    }
    await this.administration.put(`role:${name}`, keysIn(whom, options), {
      since,
      ...(until === undefined ? {} : { until }),
      ...(options.reason === undefined ? {} : { reason: options.reason }),
    })
  }

  async revoke(whom: Subject | readonly Subject[], role: string, scope: RoleScope = {}): Promise<number> {
    const name = checkedRole(role)
    parseOptions('revoke', scopeSchema, scope)
    return this.administration.take(`role:${name}`, keysIn(whom, scope))
  }

  async hasRole(whom: Subject, role: string, scope: RoleScope = {}): Promise<boolean> {
    const name = checkedRole(role)
    parseOptions('hasRole', scopeSchema, scope)
    const { roles } = this.services()
    roles.check(name, 'hasRole')
    return (await this.heldBy(whom, scope, name)).some((held) => expanded(roles, held).has(name))
  }

  async rolesOf(whom: Subject, scope: RoleScope = {}): Promise<readonly string[]> {
    parseOptions('rolesOf', scopeSchema, scope)
    return [...new Set((await this.heldBy(whom, scope)).flat())].sort()
  }

  async can(whom: Subject, permission: string, scope: RoleScope = {}): Promise<boolean> {
    parseOptions('can', scopeSchema, scope)
    const services = this.services()
    if (this.exemptions().trusted.has(subjectKey(whom))) return isPermission(permission)
    const unknown = unknownPermission(services.roles, permission, 'can')
    if (unknown !== undefined) {
      // The name may come from a user, so it is neither thrown nor logged; but a name close to a known one may be a developer's
      // typing error.
      if (meantBy(services.roles, permission) !== undefined) services.warn('permission.slip', unknown.message)
      return false
    }
    return (await this.heldBy(whom, scope)).some((held) => allows(services.roles, held, permission))
  }

  /** Returns the roles by bot, since the bots may differ. Before any bot is met, returns what waits for them. */
  private async heldBy(
    whom: Subject,
    { chat }: RoleScope,
    role?: string,
  ): Promise<readonly (readonly string[])[]> {
    const services = this.services()
    const key = subjectKey(whom)
    const place = placeOf(key, chat)
    const bots = services.bots.all()
    if (bots.length === 0) {
      const keys = place.chat === undefined ? [place.key] : [place.key, memberKey(place.key, place.chat)]
      const marks = keys.flatMap((each) => stagedNames(this.administration, each))
      return [marks.flatMap((mark) => roleOfMark(mark) ?? [])]
    }
    return Promise.all(bots.map(async (bot) => heldRoles(services, { bot, ...place }, role)))
  }
}

/** Splits a member into the actor and the chat; for other subjects the chat is the given one. */
function placeOf(key: Key, chat: number | undefined): Omit<Asker, 'bot'> {
  const { kind, id, actor } = keySubject(key)
  const inside = kind === 'member' && actor !== undefined ? subjectKey(actor) : key
  return { key: inside, chat: kind === 'member' ? id : chat }
}

function keysIn(whom: Subject | readonly Subject[], { chat }: RoleScope): readonly Key[] {
  const keys = keysOf(whom, markedKey)
  return chat === undefined ? keys : keys.map((key) => subjectKey(subject.member(keySubject(key), chat)))
}
