import type { Message } from 'grammy/types'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import type { StoredMessage, WorldChat } from '../../world/chats.js'
import { isIn } from '../../world/members.js'
import { isService } from '../../world/service-messages.js'
import type { AccountCall, AccountMethod } from '../rpc.js'
import { badRequest } from '../rpc-error.js'
import { isNumberedByAccount } from '../views/numbering.js'
import { pageOf } from '../views/pages.js'
import { historyOf } from './history.js'
import { chatOf } from './messages.js'

/** Maximum number of messages in an answer (https://core.telegram.org/method/messages.search). */
const MOST_FOUND = 100

export const SEARCH = {
  'messages.search': (call) => {
    const { server, account, request } = ofPerson(call)
    const { face } = server
    const chat = chatOf(server, account, request.peer as TlObject)
    const from = request.from_id as TlObject | undefined
    const author = from === undefined ? undefined : face.peers.user(account, from).id
    const matches = matcherOf(chat, account, request)
    const all = historyOf(face, account, chat).filter(
      ({ stored }) => matches(stored) && (author === undefined || stored.authorId === author),
    )
    const page = pageOf(all, {
      offsetId: request.offset_id as number,
      offsetDate: 0,
      addOffset: request.add_offset as number,
      limit: limitOf(request),
      maxId: request.max_id as number,
      minId: request.min_id as number,
    })
    const content = described(
      call,
      page.map(({ stored }) => stored),
    )
    if (!isNumberedByAccount(chat))
      return { _: 'messages.channelMessages', pts: face.channel(chat).pts, count: all.length, ...content }
    return page.length === all.length
      ? { _: 'messages.messages', ...content }
      : { _: 'messages.messagesSlice', count: all.length, ...content }
  },
  'messages.searchGlobal': (call) => {
    const { server, account, request } = ofPerson(call)
    const { face, world } = server
    const chats = world
      .chatsOf(account.id)
      .filter((chat) => chat.kind === 'private' || isIn(world.membership(chat, account.id)))
      .filter(wanted(request))
    const all = chats
      .flatMap((chat) => {
        const matches = matcherOf(chat, account, request)
        return historyOf(face, account, chat).filter(({ stored }) => matches(stored))
      })
      .sort((one, other) => other.date - one.date || other.stored.order - one.stored.order)
    // "offset_rate: next_rate of the last page". Here it is the `order` of the last message on that page.
    const from = all.findIndex(({ stored }) => stored.order === (request.offset_rate as number)) + 1
    const page = all.slice(from, from + limitOf(request))
    const content = described(
      call,
      page.map(({ stored }) => stored),
    )
    if (from === 0 && page.length === all.length) return { _: 'messages.messages', ...content }
    const last = page.at(-1)
    return {
      _: 'messages.messagesSlice',
      count: all.length,
      ...(last !== undefined && { next_rate: last.stored.order }),
      ...content,
    }
  },
} as const satisfies Record<string, AccountMethod>

function ofPerson(call: AccountCall): AccountCall {
  if (call.account.kind === 'bot') throw badRequest('BOT_METHOD_INVALID')
  return call
}

function limitOf(request: TlObject): number {
  return Math.max(0, Math.min(MOST_FOUND, request.limit as number))
}

function described({ server, account }: AccountCall, page: readonly StoredMessage[]) {
  const { face } = server
  return {
    messages: page.map((stored) => face.describer.message(account, stored)),
    topics: [],
    ...face.mentioned(account, page),
  }
}

function wanted(request: TlObject): (chat: WorldChat) => boolean {
  const only: Partial<Record<WorldChat['kind'], unknown>> = {
    channel: request.broadcasts_only,
    supergroup: request.groups_only,
    group: request.groups_only,
    private: request.users_only,
  }
  const isAll = !Object.values(only).includes(true)
  return ({ kind }) => isAll || only[kind] === true
}

/** Whether a message has the wanted kind of content. */
type Shows = (message: Message) => boolean

const FILTERS: ReadonlyMap<string, Shows> = new Map<string, Shows>([
  ['inputMessagesFilterEmpty', () => true],
  ['inputMessagesFilterPhotos', ({ photo }) => photo !== undefined],
  ['inputMessagesFilterVideo', ({ video }) => video !== undefined],
  ['inputMessagesFilterPhotoVideo', ({ photo, video }) => photo !== undefined || video !== undefined],
  [
    'inputMessagesFilterDocument',
    ({ document, animation }) => document !== undefined && animation === undefined,
  ],
  ['inputMessagesFilterGif', ({ animation }) => animation !== undefined],
  ['inputMessagesFilterVoice', ({ voice }) => voice !== undefined],
  ['inputMessagesFilterMusic', ({ audio }) => audio !== undefined],
  ['inputMessagesFilterRoundVideo', ({ video_note: round }) => round !== undefined],
  [
    'inputMessagesFilterRoundVoice',
    ({ video_note: round, voice }) => round !== undefined || voice !== undefined,
  ],
  ['inputMessagesFilterChatPhotos', ({ new_chat_photo: photo }) => photo !== undefined],
  ['inputMessagesFilterPoll', ({ poll }) => poll !== undefined],
  [
    'inputMessagesFilterUrl',
    ({ entities, caption_entities: others }) =>
      [...(entities ?? []), ...(others ?? [])].some(({ type }) => type === 'url' || type === 'text_link'),
  ],
  ['inputMessagesFilterContacts', ({ contact }) => contact !== undefined],
  ['inputMessagesFilterGeo', ({ location, venue }) => location !== undefined || venue !== undefined],
])

function matcherOf(chat: WorldChat, viewer: Account, request: TlObject): (stored: StoredMessage) => boolean {
  const filter = (request.filter as TlObject)._
  const words = (request.q as string).toLowerCase().trim()
  const [since, until] = [request.min_date as number, request.max_date as number]
  const shows = isShown(chat, viewer, filter)
  return ({ message }) => {
    if (since > 0 && message.date <= since) return false
    if (until > 0 && message.date >= until) return false
    // Service messages contain no searchable words.
    if (words !== '' && (isService(message) || !textOf(message).toLowerCase().includes(words))) return false
    return shows(message)
  }
}

function isShown(chat: WorldChat, viewer: Account, filter: string): (message: Message) => boolean {
  if (filter === 'inputMessagesFilterPinned') return ({ message_id: id }) => chat.history.pinned.has(id)
  if (filter === 'inputMessagesFilterMyMentions') {
    const called = `@${viewer.user.username ?? ''}`.toLowerCase()
    return (message) => called !== '@' && textOf(message).toLowerCase().includes(called)
  }
  const found = FILTERS.get(filter)
  if (found === undefined) throw badRequest('INPUT_FILTER_INVALID')
  return found
}

function textOf({ text, caption, document }: Message): string {
  return `${text ?? caption ?? ''} ${document?.file_name ?? ''}`
}
