import type { Context } from 'grammy'
import { isPromise, type MaybePromise } from '../../core/check.js'
import type { Facts } from '../../core/facts.js'
import { allows, isPermission } from '../../core/grants.js'
import { isOfChat, roleOfMark } from '../../core/roles.js'
import { type Key, keySubject, memberKey } from '../../core/subject.js'
import type { Mark } from '../../storage/storage.js'
import type { KnownBot } from '../chain/bots.js'
import type { Exemptions } from '../exempt/exemptions.js'
import type { Services } from '../services.js'

const NONE: readonly string[] = Object.freeze([])

/** The subject of a question about roles, and the chat, which matters for roles held in one chat only. */
export interface Asker {
  readonly bot: Pick<KnownBot, 'id' | 'api'>
  readonly key: Key
  readonly chat: number | undefined
  /** Whether the actor writes as an anonymous administrator; the subject is then the chat itself. */
  readonly anonymous?: boolean
}

/**
 * Returns the roles that a subject holds: everywhere, in the chat, and as assigned by Telegram. Asks the storage once or twice,
 * in parallel, and Telegram if its roles matter and were not asked for recently.
 *
 * @param role The only role of interest. Telegram is then asked if one of its roles counts as this role, even if no options name
 * it.
 */
export function heldRoles(services: Services, asker: Asker, role?: string): MaybePromise<readonly string[]> {
  const { marks } = services.storage
  const { bot, key, chat } = asker
  const held = [
    marks.of(bot.id, key),
    ...(chat === undefined ? [] : [marks.of(bot.id, memberKey(key, chat))]),
  ].map((found) => (isPromise(found) ? found.then(rolesAmong) : rolesAmong(found)))
  const { roles } = services
  const byTelegram = role === undefined ? roles.askTelegram : roles.countingAs(role).some(isOfChat)
  const given = byTelegram ? chatRolesOf(services, asker) : NONE
  if (!isPromise(given) && held.every((each) => !isPromise(each))) {
    return [...(held as (readonly string[])[]).flat(), ...given]
  }
  return Promise.all([...held, given]).then((all) => all.flat())
}

/** Whether a subject has a permission in a chat. */
export function mayDo(services: Services, asker: Asker, permission: string): MaybePromise<boolean> {
  return asked(heldRoles(services, asker), (held) => allows(services.roles, held, permission))
}

/** Whether a subject holds a role, or one that extends it, in a chat. */
export function holdsRole(services: Services, asker: Asker, role: string): MaybePromise<boolean> {
  return asked(heldRoles(services, asker, role), (held) => services.roles.expanded(held).has(role))
}

/** Answers questions of handlers about the actor of their update. A failure is reported, and the answer is no. */
export class ActorPermissions {
  constructor(
    private readonly services: Services,
    private readonly exemptions: Exemptions,
  ) {}

  can({ facts, ctx }: Acting, permission: string): MaybePromise<boolean> {
    if (facts.actor !== undefined && this.exemptions.trusts(facts.actor)) return isPermission(permission)
    return this.ask(facts, ctx, (asker) => mayDo(this.services, asker, permission))
  }

  hasRole({ facts, ctx }: Acting, role: string): MaybePromise<boolean> {
    return this.ask(facts, ctx, (asker) => holdsRole(this.services, asker, role))
  }

  private ask(
    { actor, actorKind, chatId }: Facts,
    ctx: Context,
    holds: (asker: Asker) => MaybePromise<boolean>,
  ): MaybePromise<boolean> {
    if (actor === undefined) return false
    const bot = { id: ctx.me.id, api: ctx.api }
    try {
      const held = holds({ bot, key: actor, chat: chatId, anonymous: actorKind === 'anonymous' })
      return isPromise(held) ? held.catch((error) => this.failed(error)) : held
    } catch (error) {
      return this.failed(error)
    }
  }

  private failed(error: unknown): false {
    this.services.failed(error, 'permissions')
    return false
  }
}

interface Acting {
  readonly facts: Facts
  readonly ctx: Context
}

function asked<T>(held: MaybePromise<T>, then: (held: T) => boolean): MaybePromise<boolean> {
  return isPromise(held) ? held.then(then) : then(held)
}

function chatRolesOf(
  { chatRoles }: Services,
  { bot, key, chat, anonymous = false }: Asker,
): MaybePromise<readonly string[]> {
  // Private chats, which have positive ids, have no administrators.
  if (chat === undefined || chat > 0) return NONE
  if (anonymous) return chatRoles.anonymous
  const { kind, id } = keySubject(key)
  return kind === 'user' ? chatRoles.rolesIn(bot.id, chat, id, bot.api) : NONE
}

function rolesAmong(marks: ReadonlyMap<string, Mark>): readonly string[] {
  return [...marks.keys()].flatMap((mark) => roleOfMark(mark) ?? [])
}
