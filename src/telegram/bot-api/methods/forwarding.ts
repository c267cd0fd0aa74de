import type { MessageId } from 'grammy/types'
import type { StoredMessage } from '../../world/chats/chats.js'
import type { Content } from '../../world/messages/content.js'
import { contentOf, originOf } from '../../world/messages/forwarding.js'
import { createPoll, describePoll } from '../../world/messages/polls.js'
import { post } from '../../world/messages/posting.js'
import { isService } from '../../world/messages/service-messages.js'
import { badRequest } from '../../world/refusal.js'
import { type Call, type Methods, presentChat, required } from '../call.js'
import { captionContent, writableChat } from './content.js'
import { givenBy, say, threadOf } from './sending.js'

export const forwardingMethods: Methods = {
  forwardMessage(call) {
    const stored = sourceMessage(call, 'forward')
    return forward(call, stored).message
  },

  forwardMessages(call) {
    const sources = sourceMessages(call, 'forward')
    return inAlbums(call, sources, (stored, album) => forward(call, stored, album))
  },

  copyMessage(call) {
    const stored = sourceMessage(call, 'copy')
    const content = copiedContent(call, stored)
    if (call.params.has('caption') && stored.message.text === undefined) {
      const { caption: _, caption_entities: __, ...rest } = content
      return copy(call, { ...rest, ...captionContent(call.world, call.params) })
    }
    return copy(call, content)
  },

  copyMessages(call) {
    const sources = sourceMessages(call, 'copy')
    const bare = call.params.flag('remove_caption')
    return inAlbums(call, sources, (stored, album) => {
      const { caption, caption_entities, ...rest } = copiedContent(call, stored)
      const captions = {
        ...(caption !== undefined && { caption }),
        ...(caption_entities !== undefined && { caption_entities }),
      }
      return say(
        call,
        { ...rest, ...(!bare && captions), ...album },
        { hasMarkup: false, mayBeEphemeral: false },
      )
    })
  },
}

type Move = 'forward' | 'copy'
const SOURCE = 'from_chat_id'
type Album = { readonly media_group_id?: string }
const DONE: Readonly<Record<Move, string>> = { forward: 'forwarded', copy: 'copied' }

function sourceMessage(call: Call, move: Move): StoredMessage {
  const id = required(call, 'message_id', 'message identifier is not specified')
  const stored = presentChat(call, SOURCE).history.find(id)
  if (stored === undefined) throw badRequest(`message to ${move} not found`)
  if (!isMovable(stored, move)) throw badRequest(`message can't be ${DONE[move]}`)
  return stored
}

/** "If some of the specified messages can't be found or copied, they are skipped." */
function sourceMessages(call: Call, move: Move): readonly StoredMessage[] {
  const ids = (call.params.list('message_ids') ?? []).map(Number)
  if (ids.length === 0) throw badRequest('message identifiers are not specified')
  if (ids.length > 100) throw badRequest('too many message identifiers specified')
  if (ids.some((id, index) => index > 0 && id <= (ids[index - 1] as number)))
    throw badRequest('message identifiers must be in a strictly increasing order')
  const { history } = presentChat(call, SOURCE)
  const found = ids.flatMap((id) => history.find(id) ?? []).filter((stored) => isMovable(stored, move))
  if (found.length === 0) throw badRequest(`there are no messages to ${move}`)
  return found
}

function isMovable({ message }: StoredMessage, move: Move): boolean {
  if (isService(message) || message.has_protected_content === true) return false
  return move === 'forward' || message.invoice === undefined
}

function forward(call: Call, stored: StoredMessage, album: Album = {}): StoredMessage {
  const { media_group_id: _, ...content } = contentOf(stored.message)
  const chat = writableChat(call, { ...content, ...album })
  return post(call.world, chat, {
    author: call.bot,
    content: {
      forward_origin: originOf(stored),
      ...content,
      ...album,
      ...givenBy(call, chat),
    },
    thread: threadOf(call, chat),
  })
}

function copy(call: Call, content: Content): MessageId {
  const { media_group_id: _, ...rest } = content
  // Buttons are not copied; the copy has only those of the call.
  return { message_id: say(call, rest, { mayBeEphemeral: false }).message.message_id }
}

/** The content to copy; a poll becomes a new poll without votes. */
function copiedContent({ world, bot }: Call, { message }: StoredMessage): Content {
  const content = contentOf(message)
  if (message.poll === undefined) return content
  const terms = world.polls.get(message.poll.id)?.terms
  const isSecret = message.poll.type === 'quiz' && message.poll.correct_option_ids === undefined
  if (terms === undefined || isSecret) throw badRequest("message can't be copied")
  const poll = createPoll(world, bot, {
    ...terms,
    openPeriod: undefined,
    closeDate: undefined,
    isClosed: false,
  })
  world.polls.keep(poll.id, poll)
  return { ...content, poll: describePoll(world, poll) }
}

/** Messages of one album form a new album again. */
function inAlbums(
  { world }: Call,
  sources: readonly StoredMessage[],
  move: (stored: StoredMessage, album: Album) => StoredMessage,
): MessageId[] {
  const albums = new Map<string, string>()
  return sources.map((stored) => {
    const former = stored.message.media_group_id
    if (former === undefined) return { message_id: move(stored, {}).message.message_id }
    const album = albums.get(former) ?? world.nextAlbumId()
    albums.set(former, album)
    return { message_id: move(stored, { media_group_id: album }).message.message_id }
  })
}
