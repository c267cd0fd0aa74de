import type { Context } from 'grammy'
import { z } from 'zod'
import type { MaybePromise } from '../../core/check.js'
import type { Facts } from '../../core/facts.js'
import { type Key, type Subject, subjectKey } from '../../core/subject.js'
import { grantedRole, option, subject } from '../options/schema.js'
import type { ChatAdministrators } from './chat-administrators.js'

/**
 * Who is exempt from a check: `nobody`; the `trusted` (owner, listed users); the trusted and holders of exempt `roles`; or
 * `everybody` who is exempt in any way, including administrators of the chat.
 */
export type ExemptActors = 'nobody' | 'trusted' | 'roles' | 'everybody'

/** Exemption levels of an actor: see {@link ExemptActors}. */
export const NOT_EXEMPT = 0
export const ADMINISTRATOR = 1
/** Holds an exempt role; used where no plan reads the role's mark. */
export const HOLDER = 2
const TRUSTED = 3
export const LEVELS = [NOT_EXEMPT, ADMINISTRATOR, HOLDER, TRUSTED] as const

/** Whether an actor of a level is exempt from a question. */
export function isExempt(level: number, whom: ExemptActors): boolean {
  switch (whom) {
    case 'nobody':
      return false
    case 'trusted':
      return level >= TRUSTED
    case 'roles':
      return level >= HOLDER
    case 'everybody':
      return level >= ADMINISTRATOR
  }
}

export const exemptOptions = z.strictObject({
  owner: option(subject, "The bot's owner: exempt from everything except once and concurrency."),
  users: option(z.array(subject).readonly(), 'Further users with the same exemption.'),
  chatAdmins: option(z.boolean(), 'Exempts administrators, in their chat, from limits and debounces.', false),
  roles: option(
    z.array(grantedRole).readonly(),
    'Holders of one of these roles are exempt from limits, debounces, registration and required roles.',
  ),
})

/**
 * Options that say who is exempt.
 *
 * @example
 * ```ts
 * import { type ExemptOptions, sentinel } from 'grammy-sentinel'
 *
 * const exempt: ExemptOptions = { owner: 1234567, chatAdmins: true, roles: ['moderator'] }
 * sentinel({ exempt })
 * ```
 */
export interface ExemptOptions {
  /** The bot's owner: exempt from everything but `once` and `concurrency`. */
  readonly owner?: Subject | undefined
  /** More users who are exempt from everything but `once` and `concurrency`. */
  readonly users?: readonly Subject[] | undefined
  /**
   * Administrators of the chat, including anonymous ones, in that chat: exempt from limits and debounces.
   * @default false
   */
  readonly chatAdmins?: boolean | undefined
  /** Holders of one of these roles: exempt from limits, debounces, registration and required roles. */
  readonly roles?: readonly string[] | undefined
}

/** Determines an actor's exemption level. Roles are not part of it: the plan itself reads their marks. */
export class Exemptions {
  /** The keys of the owner and the listed users. */
  readonly trusted: ReadonlySet<Key>
  /** Whether nobody can be exempt. */
  private readonly none: boolean

  constructor(
    { owner, users = [] }: ExemptOptions,
    private readonly administrators: ChatAdministrators | undefined,
  ) {
    this.trusted = new Set([...(owner === undefined ? [] : [owner]), ...users].map(subjectKey))
    this.none = this.trusted.size === 0 && administrators === undefined
  }

  /** Returns the level as far as it is known without asking anybody. */
  levelOf(facts: Facts, bot: number): number {
    if (this.none) return NOT_EXEMPT
    const { actor } = facts
    if (actor !== undefined && this.trusted.has(actor)) return TRUSTED
    if (this.administrators === undefined || !facts.inGroup) return NOT_EXEMPT
    return this.administrators.known(facts, bot) ? ADMINISTRATOR : NOT_EXEMPT
  }

  /**
   * Whether an actor who was just refused is an administrator. Called only after a refusal, so that admitted updates never
   * wait for Telegram.
   */
  rescues(facts: Facts, ctx: Context): MaybePromise<boolean> {
    if (this.administrators === undefined || !facts.inGroup) return false
    return this.administrators.includes(facts, ctx)
  }
}
