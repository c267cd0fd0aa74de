import type { Account } from '../accounts.js'
import { isGroup, type SharedChat, type WorldChat } from '../chats/chats.js'
import { isAnonymous } from '../chats/members.js'
import type { World } from '../world.js'

/**
 * The chat in whose name somebody acts: the one they chose, or the group itself for an anonymous administrator. Undefined for
 * those who act in their own name, which bots always do: "Despite the fact that bots can have the is_anonymous right, they will
 * never appear as anonymous in the chat" (changelog of Bot API 5.0).
 */
export function voiceOf(
  world: World,
  chat: WorldChat,
  actor: Account,
  chosen: SharedChat | undefined,
): SharedChat | undefined {
  if (chosen !== undefined || !isGroup(chat) || actor.kind === 'bot') return chosen
  return isAnonymous(world.membership(chat, actor.id)) ? chat : undefined
}
