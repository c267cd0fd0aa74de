import type { ChatInviteLink, ChatMember, Poll, ReactionType, Update } from 'grammy/types'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account, BotAccount } from '../../world/accounts.js'
import type { SharedChat, StoredMessage } from '../../world/chats.js'
import type { Membership } from '../../world/members.js'
import type { UpdateKind } from '../../world/updates.js'
import type { World } from '../../world/world.js'
import type { Describer } from '../views/describe.js'
import { participantOf } from '../views/participants.js'
import { channelId, peerOf } from '../views/peers.js'
import { pollOf, resultsOf } from '../views/polls.js'

/** An event other than a message, as sent to one bot. */
interface BotEvent {
  /** Number of the event, for bots that fetch it later; undefined for events that are useless once missed. */
  readonly qts: number | undefined
  readonly update: TlObject
  readonly users: readonly TlObject[]
  readonly chats: readonly TlObject[]
}

/** Maximum number of events kept per bot. */
const KEPT = 10_000

/**
 * Events for bots other than messages: callback and inline queries, membership changes, reactions, polls. Most are numbered
 * (`qts`) and can be fetched later (https://core.telegram.org/api/updates#update-handling).
 */
export class BotEvents {
  readonly #kept = new Map<number, { qts: number; readonly list: BotEvent[] }>()
  readonly #unwatch: () => void

  constructor(
    private readonly world: World,
    private readonly describer: Describer,
    /** Returns the id of a message for an account. */
    private readonly numberOf: (viewer: Account, stored: StoredMessage) => number,
    private readonly tell: (bot: BotAccount, event: BotEvent) => void,
  ) {
    this.#unwatch = world.emitted.add((bot, kind, payload) =>
      this.#happened(bot, kind, { [kind]: payload } as unknown as Update),
    )
  }

  close(): void {
    this.#unwatch()
  }

  qtsOf(account: number): number {
    return this.#kept.get(account)?.qts ?? 0
  }

  /** Returns the kept events after a number. */
  since(account: number, qts: number): readonly BotEvent[] {
    return (this.#kept.get(account)?.list ?? []).filter((each) => (each.qts ?? 0) > qts)
  }

  #happened(bot: BotAccount, kind: UpdateKind, update: Update): void {
    const told = this.#told(bot, kind, update)
    if (told === undefined) return
    const { numbered, fields, people, places } = told
    const qts = numbered ? this.#next(bot.id) : undefined
    const event: BotEvent = {
      qts,
      update: { ...fields, ...(qts !== undefined && { qts }) },
      users: [...new Set(people)].flatMap((id) => {
        const account = this.world.accounts.find(id)
        return account === undefined ? [] : [this.describer.user(bot, account.user)]
      }),
      chats: [...new Set(places)].flatMap((id) => {
        const chat = this.world.sharedChat(id)
        return chat === undefined ? [] : [this.describer.chat(bot, chat)]
      }),
    }
    if (qts !== undefined) this.#keep(bot.id, event)
    this.tell(bot, event)
  }

  #next(account: number): number {
    const kept = this.#kept.get(account) ?? { qts: 0, list: [] }
    this.#kept.set(account, kept)
    return ++kept.qts
  }

  #keep(account: number, event: BotEvent): void {
    const { list } = this.#kept.get(account) as { readonly list: BotEvent[] }
    list.push(event)
    if (list.length > KEPT) list.shift()
  }

  #told(bot: BotAccount, kind: UpdateKind, update: Update): Told | undefined {
    switch (kind) {
      case 'callback_query': {
        const { id, from, message, chat_instance, data } = update.callback_query as NonNullable<
          Update['callback_query']
        >
        if (message === undefined) return undefined
        const fields = {
          _: 'updateBotCallbackQuery',
          query_id: BigInt(id),
          user_id: BigInt(from.id),
          peer: peerOf(message.chat.id),
          msg_id: this.#numberIn(bot, message.chat.id, message.message_id),
          chat_instance: instanceOf(chat_instance),
          ...(data !== undefined && { data: Buffer.from(data) }),
        }
        return { numbered: false, fields, people: [from.id], places: [message.chat.id] }
      }
      case 'inline_query': {
        const { id, from, query, offset } = update.inline_query as NonNullable<Update['inline_query']>
        const fields = {
          _: 'updateBotInlineQuery',
          query_id: BigInt(id),
          user_id: BigInt(from.id),
          query,
          offset,
        }
        return { numbered: false, fields, people: [from.id], places: [] }
      }
      case 'pre_checkout_query': {
        const { id, from, currency, total_amount, invoice_payload } =
          update.pre_checkout_query as NonNullable<Update['pre_checkout_query']>
        const fields = {
          _: 'updateBotPrecheckoutQuery',
          query_id: BigInt(id),
          user_id: BigInt(from.id),
          payload: Buffer.from(invoice_payload),
          currency,
          total_amount: BigInt(total_amount),
        }
        return { numbered: false, fields, people: [from.id], places: [] }
      }
      case 'chat_member':
      case 'my_chat_member':
        return this.#membership(bot, update)
      case 'chat_join_request': {
        const asked = update.chat_join_request as NonNullable<Update['chat_join_request']>
        const fields = {
          _: 'updateBotChatInviteRequester',
          peer: peerOf(asked.chat.id),
          date: asked.date,
          user_id: BigInt(asked.from.id),
          about: asked.bio ?? '',
          invite:
            asked.invite_link === undefined
              ? { _: 'chatInvitePublicJoinRequests' }
              : inviteOf(asked.invite_link, asked.date),
          ...(asked.query_id !== undefined && { query_id: BigInt(asked.query_id) }),
        }
        const people = [
          asked.from.id,
          ...(asked.invite_link === undefined ? [] : [asked.invite_link.creator.id]),
        ]
        return { numbered: true, fields, people, places: [asked.chat.id] }
      }
      case 'message_reaction': {
        const { chat, message_id, date, user, actor_chat, old_reaction, new_reaction } =
          update.message_reaction as NonNullable<Update['message_reaction']>
        const actor = user?.id ?? actor_chat?.id ?? chat.id
        const fields = {
          _: 'updateBotMessageReaction',
          peer: peerOf(chat.id),
          msg_id: this.#numberIn(bot, chat.id, message_id),
          date,
          actor: peerOf(actor),
          old_reactions: old_reaction.map(reactionOf),
          new_reactions: new_reaction.map(reactionOf),
        }
        return { numbered: true, fields, people: [actor], places: [chat.id, actor] }
      }
      case 'message_reaction_count': {
        const { chat, message_id, date, reactions } = update.message_reaction_count as NonNullable<
          Update['message_reaction_count']
        >
        const fields = {
          _: 'updateBotMessageReactions',
          peer: peerOf(chat.id),
          msg_id: message_id,
          date,
          reactions: reactions.map(({ type, total_count }) => ({
            _: 'reactionCount',
            reaction: reactionOf(type),
            count: total_count,
          })),
        }
        return { numbered: true, fields, people: [], places: [chat.id] }
      }
      case 'poll': {
        const poll = update.poll as Poll
        const fields = {
          _: 'updateMessagePoll',
          poll_id: BigInt(poll.id),
          poll: pollOf(poll),
          results: resultsOf(poll),
        }
        return { numbered: false, fields, people: [], places: [] }
      }
      case 'poll_answer': {
        const { poll_id, user, voter_chat, option_ids } = update.poll_answer as NonNullable<
          Update['poll_answer']
        >
        // With `voter_chat`, `user` is a stand-in.
        const voter = voter_chat?.id ?? user?.id
        if (voter === undefined) return undefined
        const fields = {
          _: 'updateMessagePollVote',
          poll_id: BigInt(poll_id),
          peer: peerOf(voter),
          options: option_ids.map((id) => Buffer.from(String(id))),
          positions: option_ids,
        }
        return { numbered: true, fields, people: [voter], places: [voter] }
      }
      default:
        // Messages are in journals.
        return undefined
    }
  }

  #membership(bot: BotAccount, { chat_member, my_chat_member }: Update): Told | undefined {
    const told = chat_member ?? my_chat_member
    if (told === undefined) return undefined
    const { chat, from, date, old_chat_member: before, new_chat_member: after, invite_link: link } = told
    // Who asked without a link has this in place of one.
    const asked = told.via_join_request === true ? { _: 'chatInvitePublicJoinRequests' } : undefined
    const invite = link === undefined ? asked : inviteOf(link, date)
    const people = [from.id, after.user.id]
    if (chat.type === 'private') {
      const fields = {
        _: 'updateBotStopped',
        user_id: BigInt(from.id),
        date,
        stopped: after.status === 'kicked',
      }
      return { numbered: true, fields, people, places: [] }
    }
    const place = this.world.sharedChat(chat.id)
    const account = this.world.accounts.find(after.user.id)
    if (place === undefined || account === undefined || place.kind === 'group') return undefined
    const as = (name: string, member: ChatMember) =>
      member.status === 'left' ? {} : { [name]: this.#participant(bot, place, account, member) }
    const fields = {
      _: 'updateChannelParticipant',
      channel_id: channelId(place),
      date,
      actor_id: BigInt(from.id),
      user_id: BigInt(account.id),
      ...as('prev_participant', before),
      ...as('new_participant', after),
      via_chatlist: told.via_chat_folder_invite_link === true,
      ...(invite !== undefined && { invite }),
    }
    return { numbered: true, fields, people, places: [chat.id] }
  }

  /** The MTProto id of a message; in private chats ids are per account, over all its chats. */
  #numberIn(bot: BotAccount, chat: number, message: number): number {
    const person = this.world.accounts.find(chat)
    const stored =
      person?.kind === 'person' ? this.world.privateChat(person, bot).history.find(message) : undefined
    return stored === undefined ? message : this.numberOf(bot, stored)
  }

  #participant(viewer: BotAccount, chat: SharedChat, account: Account, member: ChatMember): TlObject {
    return participantOf(this.world, viewer, chat, account, membershipOf(member))
  }
}

interface Told {
  readonly numbered: boolean
  readonly fields: TlObject
  /** Ids of users and chats that the event refers to, as in the Bot API. */
  readonly people: readonly number[]
  readonly places: readonly number[]
}

/** Converts a ChatMember of the Bot API back to a membership. */
function membershipOf(member: ChatMember): Membership {
  switch (member.status) {
    case 'creator':
      return {
        status: 'creator',
        isAnonymous: member.is_anonymous,
        ...(member.custom_title !== undefined && { customTitle: member.custom_title }),
      }
    case 'administrator':
      return {
        status: 'administrator',
        rights: member,
        promotedBy: 0,
        ...(member.custom_title !== undefined && { customTitle: member.custom_title }),
      }
    case 'restricted':
      return {
        status: 'restricted',
        isMember: member.is_member,
        permissions: member,
        untilDate: member.until_date,
        ...tagOf(member),
      }
    case 'kicked':
      return { status: 'kicked', untilDate: member.until_date }
    case 'member':
      return { status: 'member', ...tagOf(member) }
    default:
      return { status: member.status }
  }
}

function tagOf({ tag }: { readonly tag?: string }): { readonly tag?: string } {
  return tag === undefined ? {} : { tag }
}

/** Converts a `chat_instance`, which is a string in the Bot API and a number in MTProto. */
function instanceOf(text: string): bigint {
  const number = /^-?\d+$/.test(text)
    ? BigInt(text)
    : BigInt(`0x${Buffer.from(text).toString('hex').slice(-16)}`)
  return BigInt.asIntN(64, number)
}

function inviteOf(link: ChatInviteLink, date: number): TlObject {
  return {
    _: 'chatInviteExported',
    revoked: link.is_revoked,
    permanent: link.is_primary,
    request_needed: link.creates_join_request,
    link: link.invite_link,
    admin_id: BigInt(link.creator.id),
    date,
    ...(link.expire_date !== undefined && { expire_date: link.expire_date }),
    ...(link.member_limit !== undefined && { usage_limit: link.member_limit }),
    ...(link.name !== undefined && { title: link.name }),
  }
}

function reactionOf(reaction: ReactionType): TlObject {
  switch (reaction.type) {
    case 'emoji':
      return { _: 'reactionEmoji', emoticon: reaction.emoji }
    case 'custom_emoji':
      return { _: 'reactionCustomEmoji', document_id: BigInt(reaction.custom_emoji_id) }
    default:
      return { _: 'reactionPaid' }
  }
}
