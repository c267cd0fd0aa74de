import type { PrivateChat, SharedChat, WorldChat } from '../../world/chats.js'

/** A group that is not a supergroup: MTProto has it as a `chat`, and supergroups as a `channel`. */
export type BasicGroup = SharedChat & { readonly kind: 'group' }

/**
 * Whether each account has numbers of its own for the messages of a chat, counted over all such chats: in private ones and in basic
 * groups. Supergroups and channels number theirs for everybody (https://core.telegram.org/api/updates#message-related-event-sequences).
 */
export function isNumberedByAccount(chat: WorldChat): chat is PrivateChat | BasicGroup {
  return chat.kind === 'private' || chat.kind === 'group'
}
