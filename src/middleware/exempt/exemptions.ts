import type { Context } from 'grammy'
import { z } from 'zod'
import type { MaybePromise } from '../../core/check.js'
import type { Facts } from '../../core/facts.js'
import { type Key, type Subject, subjectKey } from '../../core/subject.js'
import type { Excused } from '../guard.js'
import { option, subject } from '../options/schema.js'
import type { ChatAdministrators } from './chat-administrators.js'

/** How far an actor is let off: see `Excused`. */
export const NOT_EXEMPT = 0
export const ADMINISTRATOR = 1
/** Whoever holds a role that is let off, where no plan reads it. */
export const HOLDER = 2
export const TRUSTED = 3
export const LEVELS = [NOT_EXEMPT, ADMINISTRATOR, HOLDER, TRUSTED] as const

/** Whether somebody who is let off so far is let off a question that some are let off. */
export function spares(level: number, whom: Excused): boolean {
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
  owner: option(subject, "The bot's owner: let off everything but once."),
  users: option(z.array(subject).readonly(), 'More of the same.'),
  chatAdmins: option(
    z.boolean(),
    'Administrators of the chat, in that chat: let off all but block, once and auth.',
    false,
  ),
  roles: option(
    z.array(z.string()).readonly(),
    'Holders of one of these roles: let off all but block and once.',
  ),
})

/**
 * Who is let off.
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
  /** The bot's owner: let off everything but `once`. */
  readonly owner?: Subject
  /** More of the same. */
  readonly users?: readonly Subject[]
  /** Administrators of the chat (anonymous ones too), in that chat: let off all but `block`, `once` and `auth`. @default false */
  readonly chatAdmins?: boolean
  /** Holders of one of these roles: let off all but `block` and `once`. */
  readonly roles?: readonly string[]
}

/** Tells how far an actor is let off. Roles are not asked here: they are marks, read by the plan itself. */
export class Exemptions {
  private readonly trusted: ReadonlySet<number | string>
  /** Whether there is nobody who may be. */
  private readonly none: boolean

  constructor(
    { owner, users = [] }: ExemptOptions,
    private readonly administrators: ChatAdministrators | undefined,
  ) {
    this.trusted = new Set([...(owner === undefined ? [] : [owner]), ...users].map(subjectKey))
    this.none = this.trusted.size === 0 && administrators === undefined
  }

  /** Whether it is the owner, or a listed user. */
  trusts(key: Key): boolean {
    return this.trusted.has(key)
  }

  /** What is known without asking anybody. */
  levelOf(facts: Facts, bot: number): number {
    if (this.none) return NOT_EXEMPT
    const { actor } = facts
    if (actor !== undefined && this.trusted.has(actor)) return TRUSTED
    if (this.administrators === undefined || !facts.inGroup) return NOT_EXEMPT
    return this.administrators.known(facts, bot) ? ADMINISTRATOR : NOT_EXEMPT
  }

  /**
   * Whether whoever was just refused is an administrator after all. Asked only then, so that nobody waits for
   * Telegram in the ordinary course.
   */
  rescues(facts: Facts, ctx: Context): MaybePromise<boolean> {
    if (this.administrators === undefined || !facts.inGroup) return false
    return this.administrators.includes(facts, ctx)
  }
}
