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

/** Whom it is about, and where: the chat counts where roles are held in one chat only. */
export interface Asker {
  readonly bot: Pick<KnownBot, 'id' | 'api'>
  readonly key: Key
  readonly chat: number | undefined
  /** Whether this is how anonymous administrators write: such a subject is the chat itself. */
  readonly anonymous?: boolean
}

/**
 * The roles that somebody holds: everywhere, in the chat, and by Telegram's leave. Asks the storage once or twice, at the same
 * time, and Telegram where roles of its own matter and it was not asked lately.
 *
 * @param role Asked about alone: Telegram's matter where they count as it, whether options name them or not.
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

/** Whether somebody may do something here. */
export function mayDo(services: Services, asker: Asker, permission: string): MaybePromise<boolean> {
  return asked(heldRoles(services, asker), (held) => allows(services.roles, held, permission))
}

/** Whether somebody holds a role here, or one that counts as it. */
export function holdsRole(services: Services, asker: Asker, role: string): MaybePromise<boolean> {
  return asked(heldRoles(services, asker, role), (held) => services.roles.expanded(held).has(role))
}

/** What handlers ask of whoever acts in their update. What fails is told, and is no. */
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
    this.services.events.tell('error', { error, during: 'permissions' })
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
  // Chats of people and bots have no administrators.
  if (chat === undefined || chat > 0) return NONE
  if (anonymous) return chatRoles.anonymous
  const { kind, id } = keySubject(key)
  return kind === 'user' ? chatRoles.rolesIn(bot.id, chat, id, bot.api) : NONE
}

function rolesAmong(marks: ReadonlyMap<string, Mark>): readonly string[] {
  return [...marks.keys()].flatMap((mark) => roleOfMark(mark) ?? [])
}
