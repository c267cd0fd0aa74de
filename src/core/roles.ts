import { SentinelError } from './errors.js'
import { hintAt } from './nearest.js'
import { shown } from './show.js'

/**
 * The definition of a role: the roles it extends, and what its holders may do.
 *
 * @example
 * ```ts
 * import { type RoleOptions, sentinel } from 'grammy-sentinel'
 *
 * const moderator: RoleOptions = { allow: ['messages.*', 'orders.read'] }
 * const admin: RoleOptions = { extends: ['moderator'], allow: ['orders.*'], deny: ['orders.export'] }
 * sentinel({ roles: { moderator, admin } })
 * ```
 */
export interface RoleOptions {
  /** Roles that holders of this role count as holding, too, with all that these allow and deny. */
  readonly extends?: readonly string[]
  /**
   * Permissions, such as `orders.refund`. A `*` matches any characters within a part; as the last part, it matches all that
   * follows.
   */
  readonly allow?: readonly string[]
  /** Permissions that holders never have, whatever else allows them. */
  readonly deny?: readonly string[]
}

/**
 * Every administrator right that may serve as a role, prefixed with `chat:`. From `ChatAdministratorRights` of the
 * Bot API.
 */
export const CHAT_RIGHTS = [
  'can_manage_chat',
  'can_delete_messages',
  'can_manage_video_chats',
  'can_restrict_members',
  'can_promote_members',
  'can_change_info',
  'can_invite_users',
  'can_manage_tags',
  'can_post_stories',
  'can_edit_stories',
  'can_delete_stories',
  'can_post_messages',
  'can_edit_messages',
  'can_pin_messages',
  'can_manage_topics',
  'can_manage_direct_messages',
  'can_send_welcome_messages',
] as const

/** Roles that Telegram assigns within a chat. */
export const CHAT_CREATOR = 'chat:creator'
export const CHAT_ADMINISTRATOR = 'chat:administrator'

const CHAT_ROLES: readonly string[] = [
  CHAT_CREATOR,
  CHAT_ADMINISTRATOR,
  ...CHAT_RIGHTS.map((right) => `chat:${right}`),
]

/** The prefix of roles that Telegram assigns. */
const OF_CHAT = 'chat:'
/** Most characters of a role name. */
const MOST_ROLE = 64
const PATTERN = /^[\p{L}\p{N}_*-]+(\.[\p{L}\p{N}_*-]+)*$/u
/** Most characters of a permission name or pattern. */
export const MOST_PERMISSION = 128

/** A role definition, read from the options. */
interface Role {
  readonly name: string
  readonly extends: readonly string[]
  readonly allow: readonly Pattern[]
  readonly deny: readonly Pattern[]
}

/** A permission pattern: the text as written, and its regular expression. */
interface Pattern {
  readonly text: string
  readonly matches: RegExp
}

/**
 * The roles of a sentinel, expanded once: which role counts as which others, and what each may do. Names are looked up in maps,
 * so that a name such as `__proto__` is harmless.
 */
export class Roles {
  private readonly roles = new Map<string, Role>()
  /** By role: all roles that its holders count as holding, itself first. */
  readonly upward = new Map<string, readonly string[]>()
  /** By role: all roles whose holders count as holding it, itself first. */
  private readonly downward = new Map<string, string[]>()
  /** Whether the option `roles` was given, so that any other name is a mistake. */
  readonly declared: boolean

  /**
   * @throws SentinelError `role.unknown`, `role.cycle`, `option.invalid`.
   */
  constructor(options: Readonly<Record<string, RoleOptions>> | undefined) {
    this.declared = options !== undefined
    for (const [name, role] of Object.entries(options ?? {}))
      this.roles.set(checkedName(name), roleOf(name, role))
    for (const role of this.roles.values()) {
      for (const each of role.extends) this.check(each, `roles.${role.name}.extends`)
    }
    for (const name of this.roles.keys()) this.upward.set(name, this.expand(name, []))
    for (const [name, all] of this.upward) {
      for (const each of all) {
        const holders = this.downward.get(each) ?? [each]
        if (!holders.includes(name)) holders.push(name)
        this.downward.set(each, holders)
      }
    }
  }

  /** The role definitions. */
  get all(): readonly Role[] {
    return [...this.roles.values()]
  }

  get names(): readonly string[] {
    return [...this.roles.keys()]
  }

  /**
   * Rejects a name that the option `roles` does not define, if that option was given.
   *
   * @throws SentinelError `role.unknown`.
   */
  check(name: string, what: string): void {
    if (!this.declared || this.roles.has(name) || CHAT_ROLES.includes(name)) return
    throw unknownRole(what, name, [...this.roles.keys(), ...CHAT_ROLES], [...this.roles.keys()])
  }

  /** Returns the role and all roles whose holders count as holding it. */
  countingAs(name: string): readonly string[] {
    return this.downward.get(name) ?? [name]
  }

  /**
   * Returns the marks of {@link countingAs}, which a plan checks, so that inheritance needs no round trip. Telegram's roles have
   * no marks.
   */
  marksOf(name: string): readonly string[] {
    return marksOf(this.countingAs(name))
  }

  /**
   * Spreads values given by role over marks, including those of roles that extend the named ones. A value given for a role itself
   * wins over one that the role inherits.
   */
  byMark<T>(named: readonly (readonly [role: string, T])[]): readonly (readonly [mark: string, T])[] {
    const marks = new Map(named.map(([role, own]) => [`role:${role}`, own]))
    for (const [role, own] of named) {
      for (const mark of this.marksOf(role)) if (!marks.has(mark)) marks.set(mark, own)
    }
    return [...marks]
  }

  private expand(name: string, way: readonly string[]): readonly string[] {
    if (way.includes(name)) {
      const circle = [...way.slice(way.indexOf(name)), name]
      throw new SentinelError(
        'role.cycle',
        `roles.${circle[0]}.extends: it extends itself: ${circle.join(' → ')}. Remove one of these links.`,
      )
    }
    const inherited = (this.roles.get(name)?.extends ?? []).flatMap((each) =>
      this.expand(each, [...way, name]),
    )
    return [...new Set([name, ...inherited])]
  }
}

/** Returns the given roles and all roles that their holders count as holding. */
export function expanded({ upward }: Roles, held: Iterable<string>): ReadonlySet<string> {
  const all = new Set<string>()
  for (const name of held) for (const each of upward.get(name) ?? [name]) all.add(each)
  return all
}

/** Returns the marks of roles. Roles that Telegram assigns have none. */
export function marksOf(roles: readonly string[]): readonly string[] {
  return roles.filter((name) => !isOfChat(name)).map((name) => `role:${name}`)
}

/** Returns the role that a mark stands for; undefined for any other mark. */
export function roleOfMark(mark: string): string | undefined {
  return mark.startsWith('role:') ? mark.slice('role:'.length) : undefined
}

/** Whether a role is assigned by Telegram. */
export function isOfChat(role: string): boolean {
  return role.startsWith(OF_CHAT)
}

/** Rejects an invalid role name: it must have 1 to 64 characters. */
export function checkedRole(role: unknown): string {
  if (typeof role === 'string' && role !== '' && role.length <= MOST_ROLE) return role
  throw new SentinelError(
    'option.invalid',
    `role: ${shown(role)} is not a role name. Pass a text of 1 to ${MOST_ROLE} characters, such as 'moderator'.`,
  )
}

function checkedName(name: string): string {
  checkedRole(name)
  if (!isOfChat(name) || CHAT_ROLES.includes(name)) return name
  throw unknownRole('roles', name, CHAT_ROLES, CHAT_ROLES)
}

function unknownRole(
  what: string,
  name: string,
  known: readonly string[],
  listed: readonly string[],
): SentinelError {
  const list = listed.length === 0 ? '' : ` Roles: ${listed.slice(0, 20).join(', ')}.`
  return new SentinelError(
    'role.unknown',
    `${what}: there is no role ${shown(name)}.${hintAt(name, known)}${list}`,
  )
}

function roleOf(name: string, { extends: bases = [], allow = [], deny = [] }: RoleOptions): Role {
  return {
    name,
    extends: bases,
    allow: allow.map((text) => patternOf(text, `roles.${name}.allow`)),
    deny: deny.map((text) => patternOf(text, `roles.${name}.deny`)),
  }
}

function patternOf(text: string, what: string): Pattern {
  if (typeof text !== 'string' || text.length > MOST_PERMISSION || !PATTERN.test(text)) {
    throw new SentinelError(
      'option.invalid',
      `${what}: ${shown(text)} is not a permission. Write parts of letters, digits, - and _ with dots between, such as 'orders.refund', 'orders.*' or '*'.`,
    )
  }
  const parts = text.split('.')
  const last = parts.length - 1
  // A run of stars means the same as one; a single one keeps the expression from backtracking for long.
  const sources = parts.map((part, index) =>
    index === last && /^\*+$/.test(part) ? '.+' : part.replace(/\*+/g, '[^.]*'),
  )
  return { text, matches: new RegExp(`^${sources.join('\\.')}$`, 'u') }
}
