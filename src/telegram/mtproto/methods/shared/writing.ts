import type { Account } from '../../../world/accounts.js'
import type { WorldChat } from '../../../world/chats/chats.js'
import type { Content } from '../../../world/messages/content.js'
import { assertMaySpeak, permissionFor } from '../../../world/messages/speaking.js'
import { Refusal } from '../../../world/refusal.js'
import type { World } from '../../../world/world.js'
import { RpcError } from '../../rpc-error.js'

/** Errors for missing permissions (https://core.telegram.org/method/messages.sendMedia#possible-errors). */
const FORBIDDEN: Partial<Record<ReturnType<typeof permissionFor>, string>> = {
  can_send_messages: 'CHAT_SEND_PLAIN_FORBIDDEN',
  can_send_photos: 'CHAT_SEND_PHOTOS_FORBIDDEN',
  can_send_videos: 'CHAT_SEND_VIDEOS_FORBIDDEN',
  can_send_video_notes: 'CHAT_SEND_ROUNDVIDEOS_FORBIDDEN',
  can_send_audios: 'CHAT_SEND_AUDIOS_FORBIDDEN',
  can_send_voice_notes: 'CHAT_SEND_VOICES_FORBIDDEN',
  can_send_documents: 'CHAT_SEND_DOCS_FORBIDDEN',
  can_send_polls: 'CHAT_SEND_POLL_FORBIDDEN',
  can_send_other_messages: 'CHAT_SEND_STICKERS_FORBIDDEN',
}

/** @throws RpcError if the author may not send this content, or not yet (slow mode). */
export function assertMayWrite(world: World, chat: WorldChat, author: Account, content: Content): void {
  if (chat.kind === 'private') {
    if (chat.blocked) throw new RpcError(403, 'USER_IS_BLOCKED')
    return
  }
  if (chat.migratedTo !== undefined) throw new RpcError(403, 'CHAT_WRITE_FORBIDDEN')
  try {
    assertMaySpeak(world, chat, author, { content })
  } catch (error) {
    // The world's refusals are worded for the Bot API.
    if (!(error instanceof Refusal)) throw error
    const wait = error.parameters?.retry_after
    if (wait !== undefined) throw new RpcError(420, `SLOWMODE_WAIT_${wait}`)
    const why = chat.kind === 'channel' ? undefined : FORBIDDEN[permissionFor(content)]
    throw new RpcError(403, why ?? 'CHAT_WRITE_FORBIDDEN')
  }
}
