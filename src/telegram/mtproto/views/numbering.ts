import type { PrivateChat, SharedChat, WorldChat } from '../../world/chats/chats.js'

/** A basic group, which is a `chat` in MTProto, while supergroups are a `channel`. */
export type BasicGroup = SharedChat & { readonly kind: 'group' }

/**
 * Whether message ids in the chat are per account, counted over all such chats: true for private chats and basic groups.
 * Supergroups and channels have common ids (https://core.telegram.org/api/updates#message-related-event-sequences).
 */
export function isNumberedByAccount(chat: WorldChat): chat is PrivateChat | BasicGroup {
  return chat.kind === 'private' || chat.kind === 'group'
}
