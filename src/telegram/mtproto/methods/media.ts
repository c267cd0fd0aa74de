import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { WorldChat } from '../../world/chats.js'
import { type Content, LONGEST_CAPTION, post } from '../../world/posting.js'
import { Refusal } from '../../world/refusal.js'
import { assertMaySpeak } from '../../world/speaking.js'
import type { AccountCall, AccountMethod } from '../rpc.js'
import { badRequest, RpcError } from '../rpc-error.js'
import { chatOf, find, mayWrite, sentAs } from './messages.js'

/** "Up to 10 in an album" (https://core.telegram.org/method/messages.sendMultiMedia). */
const MOST_OF_ALBUM = 10

export const MEDIA = {
  'messages.sendMedia': (call) => {
    const { server, account, request } = call
    const chat = chatOf(server, account, request.peer as TlObject)
    mayWrite(server, account, chat)
    const content = contentOf(call, request.media as TlObject, request.message as string)
    mayShow(call, chat, content)
    const replied = (request.reply_to as TlObject | undefined)?.reply_to_msg_id as number | undefined
    const replyTo = replied === undefined ? undefined : find(server, account, chat, replied)
    const stored = post(server.world, chat, { author: account, content, replyTo })
    return sentAs(server, account, [{ stored, randomId: request.random_id as bigint }])
  },
  'messages.sendMultiMedia': (call) => {
    const { server, account, request } = call
    const items = request.multi_media as readonly TlObject[]
    if (items.length === 0 || items.length > MOST_OF_ALBUM) throw badRequest('MULTI_MEDIA_TOO_LONG')
    const chat = chatOf(server, account, request.peer as TlObject)
    mayWrite(server, account, chat)
    const contents = items.map(({ media, message }) => contentOf(call, media as TlObject, message as string))
    for (const content of contents) mayShow(call, chat, content)
    const album = items.length === 1 ? {} : { media_group_id: server.world.nextAlbumId() }
    const sent = contents.map((content, nth) => ({
      stored: post(server.world, chat, { author: account, content: { ...content, ...album } }),
      randomId: items[nth]?.random_id as bigint,
    }))
    return sentAs(server, account, sent)
  },
  'messages.uploadMedia': (call) => {
    const { server, account, request } = call
    chatOf(server, account, request.peer as TlObject)
    const content = contentOf(call, request.media as TlObject, '')
    return server.face.media.ofMessage(account, content) ?? { _: 'messageMediaEmpty' }
  },
} as const satisfies Record<string, AccountMethod>

function contentOf({ server, account }: AccountCall, media: TlObject, caption: string): Content {
  if (caption.length > LONGEST_CAPTION) throw badRequest('MEDIA_CAPTION_TOO_LONG')
  const { face } = server
  const content = face.media.content(account, media, (input) => face.uploads.take(account.id, input))
  return caption === '' ? content : { ...content, caption }
}

function mayShow({ server, account }: AccountCall, chat: WorldChat, content: Content): void {
  try {
    assertMaySpeak(server.world, chat, account, { content })
  } catch (error) {
    // The world refuses in the Bot API's words.
    if (error instanceof Refusal) throw new RpcError(403, 'CHAT_SEND_MEDIA_FORBIDDEN')
    throw error
  }
}
