import type { Message } from 'grammy/types'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import type { StoredMessage, WorldChat } from '../../world/chats/chats.js'
import { isIn } from '../../world/chats/members.js'
import { isService } from '../../world/messages/service-messages.js'
import { badRequest } from '../rpc-error.js'
import { forPeople } from './shared/for-people.js'
import { describeMessages, historyOf, MOST_OF_HISTORY, pageOfChat } from './shared/history.js'
import { chatOf } from './shared/input-peers.js'
import { limitOf } from './shared/pages.js'

export const SEARCH = forPeople({
  'messages.search': ({ centre, account, request }) => {
    const { view } = centre
    const chat = chatOf(centre, account, request.peer as TlObject)
    const from = request.from_id as TlObject | undefined
    const author = from === undefined ? undefined : view.peers.user(account, from).id
    const matches = matcherOf(chat, account, request)
    const all = historyOf(view, account, chat).filter(
      ({ stored }) => matches(stored) && (author === undefined || stored.authorId === author),
    )
    return pageOfChat(view, account, chat, all, request)
  },
  'messages.searchGlobal': ({ centre, account, request }) => {
    const { view, world } = centre
    const chats = world
      .chatsOf(account.id)
      .filter((chat) => chat.kind === 'private' || isIn(world.membership(chat, account.id)))
      .filter(wanted(request))
    const all = chats
      .flatMap((chat) => {
        const matches = matcherOf(chat, account, request)
        return historyOf(view, account, chat).filter(({ stored }) => matches(stored))
      })
      .sort((one, other) => other.date - one.date || other.stored.order - one.stored.order)
    // "offset_rate: next_rate of the last page". Here it is the `order` of the last message on that page.
    const from = all.findIndex(({ stored }) => stored.order === (request.offset_rate as number)) + 1
    const page = all.slice(from, from + limitOf(request, MOST_OF_HISTORY))
    const content = describeMessages(view, account, page)
    if (from === 0 && page.length === all.length) return { _: 'messages.messages', ...content }
    const last = page.at(-1)
    return {
      _: 'messages.messagesSlice',
      count: all.length,
      ...(last !== undefined && { next_rate: last.stored.order }),
      ...content,
    }
  },
})

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
