import type { Context } from 'grammy'
import { isPromise, type MaybePromise } from '../../core/check.js'
import type { Facts } from '../../core/facts.js'
import { allows, isPermission } from '../../core/grants.js'
import { expanded, isOfChat, roleOfMark } from '../../core/roles.js'
import { type Key, keySubject, memberKey } from '../../core/subject.js'
import type { Mark } from '../../storage/contract/storage.js'
import type { Exemptions } from '../exempt/exemptions.js'
import type { KnownBot } from '../services/bots.js'
import type { Services } from '../services.js'

const NONE: readonly string[] = Object.freeze([])

/** The subject of a question about roles, and the chat, which matters for roles held in one chat only. */
export interface Asker {
  readonly bot: Pick<KnownBot, 'id' | 'api'>
  readonly key: Key
  readonly chat: number | undefined
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
  const byTelegram = role === undefined ? roles.names.some(isOfChat) : roles.countingAs(role).some(isOfChat)
  const given = byTelegram ? chatRolesOf(services, asker) : NONE
  if (!isPromise(given) && held.every((each) => !isPromise(each))) {
    return [...(held as (readonly string[])[]).flat(), ...given]
  }
  return Promise.all([...held, given]).then((all) => all.flat())
}

/** Whether the actor of an update has a permission in its chat. */
export async function actorCan(
  services: Services,
  exemptions: Exemptions,
  { facts, ctx }: Acting,
  permission: string,
): Promise<boolean> {
  if (facts.actor !== undefined && exemptions.trusted.has(facts.actor)) return isPermission(permission)
  const asker = askerOf(facts, ctx)
  return asker !== undefined && allows(services.roles, await heldRoles(services, asker), permission)
}

/** Whether the actor of an update holds a role, or one that extends it, in its chat. */
export async function actorHasRole(
  services: Services,
  { facts, ctx }: Acting,
  role: string,
): Promise<boolean> {
  const asker = askerOf(facts, ctx)
  return asker !== undefined && expanded(services.roles, await heldRoles(services, asker, role)).has(role)
}

function askerOf({ actor, chatId }: Facts, ctx: Context): Asker | undefined {
  return actor === undefined ? undefined : { bot: { id: ctx.me.id, api: ctx.api }, key: actor, chat: chatId }
}

interface Acting {
  readonly facts: Facts
  readonly ctx: Context
}

function chatRolesOf({ chatRoles }: Services, { bot, key, chat }: Asker): MaybePromise<readonly string[]> {
  // Private chats, which have positive ids, have no administrators.
  if (chat === undefined || chat > 0) return NONE
  const { kind, id } = keySubject(key)
  if (kind === 'user') return chatRoles.rolesIn(bot.id, chat, id, bot.api)
  // Only administrators can write as the chat itself, in groups and in channels.
  return kind === 'sender' && id === chat ? chatRoles.anonymous : NONE
}

function rolesAmong(marks: ReadonlyMap<string, Mark>): readonly string[] {
  return [...marks.keys()].flatMap((mark) => roleOfMark(mark) ?? [])
}
