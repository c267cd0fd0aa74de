import { z } from 'zod'
import type { Duration } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { allows, isPermission, meantBy, unknownPermission } from '../../core/grants.js'
import { checkedRole, isOfChat, roleOfMark } from '../../core/roles.js'
import { shown } from '../../core/show.js'
import { type Key, keySubject, memberKey, type Subject, subject, subjectKey } from '../../core/subject.js'
import type { Mark } from '../../storage/storage.js'
import { type Administration, keysOf, untilOf } from '../block/administration.js'
import { acting } from '../block.js'
import type { Exemptions } from '../exempt/exemptions.js'
import { option, parseOptions } from '../options/schema.js'
import type { Services } from '../services.js'
import { type Asker, heldRoles } from './permissions.js'

/**
 * Where a role is held, or a permission is asked for.
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
  /** In this chat, by its id. @default everywhere */
  readonly chat?: number
}

/**
 * Options of `guard.grant()`. Neither `for` nor `until`: for good.
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
  /** For so long. Neither this nor `until`: for good. */
  readonly for?: Duration
  /** Until then: a date, or milliseconds since 1970. */
  readonly until?: Date | number
  /** Why, for people; kept with the role. */
  readonly reason?: string
}

/** Which there are; `for` and `until` are read, and refused, by parsers of their own. */
const scopeOptions = { chat: option(z.number().int(), 'In this chat only.') }
const grantOptions = z.strictObject({
  ...scopeOptions,
  for: option(z.unknown(), 'For so long.'),
  until: option(z.unknown(), 'Until then.'),
  reason: option(z.string(), 'Why, for people.'),
})
const scopeSchema = z.strictObject(scopeOptions)

/** Gives roles and takes them, everywhere or in one chat, and tells who holds what. */
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
        `grant: ${shown(name)} is a role that Telegram gives, and nobody else. Promote them in the chat.`,
      )
    }
    parseOptions('grant', grantOptions, options)
    const since = clock()
    const until = untilOf(options, since, 'grant')
    const mark: Mark = {
      since,
      ...(until === undefined ? {} : { until }),
      ...(options.reason === undefined ? {} : { reason: options.reason }),
    }
    for (const key of keysOf(whom)) {
      const { kind, actor } = keySubject(key)
      // A role may be held in one chat: there it is the member that is looked up.
      acting(
        kind === 'member' && actor !== undefined && options.chat === undefined ? subjectKey(actor) : key,
        'grant',
      )
    }
    const keys = keysIn(whom, options)
    await this.administration.put(
      `role:${name}`,
      keys.map((key) => ({ key, mark })),
    )
  }

  async revoke(whom: Subject | readonly Subject[], role: string, scope: RoleScope = {}): Promise<number> {
    const name = checkedRole(role)
    parseOptions('revoke', scopeSchema, scope)
    return this.administration.take(`role:${name}`, keysIn(whom, scope), undefined)
  }

  async hasRole(whom: Subject, role: string, scope: RoleScope = {}): Promise<boolean> {
    const name = checkedRole(role)
    parseOptions('hasRole', scopeSchema, scope)
    const { roles } = this.services()
    roles.check(name, 'hasRole')
    return (await this.heldBy(whom, scope, name)).some((held) => roles.expanded(held).has(name))
  }

  async rolesOf(whom: Subject, scope: RoleScope = {}): Promise<readonly string[]> {
    parseOptions('rolesOf', scopeSchema, scope)
    return [...new Set((await this.heldBy(whom, scope)).flat())].sort()
  }

  async can(whom: Subject, permission: string, scope: RoleScope = {}): Promise<boolean> {
    parseOptions('can', scopeSchema, scope)
    const services = this.services()
    if (this.exemptions().trusts(subjectKey(whom))) return isPermission(permission)
    const unknown = unknownPermission(services.roles, permission, 'can')
    if (unknown !== undefined) {
      // The name may come from a user: no reason to throw, nor to log whatever they wrote; but it may be a slip of the developer's.
      if (meantBy(services.roles, permission) !== undefined) services.warn('permission.slip', unknown.message)
      return false
    }
    return (await this.heldBy(whom, scope)).some((held) => allows(services.roles, held, permission))
  }

  /** By bot: what one bot denies, another may allow. Before any is met, what waits for them. */
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
      const marks = keys.flatMap((each) => this.administration.stagedMarks(each))
      return [marks.flatMap((mark) => roleOfMark(mark) ?? [])]
    }
    return Promise.all(bots.map(async (bot) => heldRoles(services, { bot, ...place }, role)))
  }
}

/** A member of a chat is asked about there, whichever way that is said. */
function placeOf(key: Key, chat: number | undefined): Omit<Asker, 'bot'> {
  const { kind, id, actor } = keySubject(key)
  const inside = kind === 'member' && actor !== undefined ? subjectKey(actor) : key
  const place = kind === 'member' ? id : chat
  return { key: inside, chat: place, anonymous: kind === 'sender' && id === place }
}

function keysIn(whom: Subject | readonly Subject[], { chat }: RoleScope): readonly Key[] {
  const keys = keysOf(whom)
  return chat === undefined ? keys : keys.map((key) => subjectKey(subject.member(keySubject(key), chat)))
}
