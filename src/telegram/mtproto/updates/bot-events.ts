import type { ChatInviteLink, ChatMember, ChatMemberUpdated, ReactionType, Update } from 'grammy/types'
import { getOrInsert } from '../../../core/maps.js'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account, BotAccount } from '../../world/accounts.js'
import type { SharedChat, StoredMessage } from '../../world/chats/chats.js'
import type { Membership } from '../../world/chats/members.js'
import type { UpdateKind } from '../../world/updates.js'
import type { World } from '../../world/world.js'
import type { Describer } from '../views/describe.js'
import { participantOf } from '../views/participants.js'
import { channelId, peerOf } from '../views/peers.js'
import { pollOf, resultsOf } from '../views/polls.js'

/** An update, with the users and chats that it refers to. */
export interface DescribedUpdate {
  readonly update: TlObject
  readonly users: readonly TlObject[]
  readonly chats: readonly TlObject[]
}

/** The events of one bot that it can fetch later, and the number (`qts`) of the latest. */
interface Kept {
  qts: number
  readonly list: (DescribedUpdate & { readonly qts: number })[]
}

/** An update of the Bot API, as MTProto has it. */
interface Told {
  readonly fields: TlObject
  /** Ids of users and of chats that the event refers to, as in the Bot API. */
  readonly people?: readonly number[]
  readonly places?: readonly number[]
  /** Whether it gets a number, so that bots can fetch it later; others are useless once missed. */
  readonly isNumbered?: true
}

type Tellers = {
  readonly [Kind in UpdateKind]?: (bot: BotAccount, payload: NonNullable<Update[Kind]>) => Told | undefined
}

/** Maximum number of events kept per bot. */
const KEPT = 10_000

/**
 * Events for bots other than messages: callback and inline queries, membership changes, reactions, polls. Most are numbered
 * (`qts`) and can be fetched later (https://core.telegram.org/api/updates#update-handling).
 */
export class BotEvents {
  readonly #kept = new Map<number, Kept>()
  /** Stops listening to the world. */
  readonly close: () => void

  constructor(
    private readonly world: World,
    private readonly describer: Describer,
    /** Returns the id of a message for an account. */
    private readonly numberOf: (viewer: Account, stored: StoredMessage) => number,
    private readonly tell: (bot: BotAccount, event: DescribedUpdate) => void,
  ) {
    this.close = world.emitted.add((bot, kind, payload) => this.#happened(bot, kind, payload))
  }

  qtsOf(account: number): number {
    return this.#kept.get(account)?.qts ?? 0
  }

  /** Returns the kept events after a number. */
  since(account: number, qts: number): readonly DescribedUpdate[] {
    return (this.#kept.get(account)?.list ?? []).filter((each) => each.qts > qts)
  }

  #happened(bot: BotAccount, kind: UpdateKind, payload: unknown): void {
    // Messages are in journals, and other kinds do not exist here.
    const told = this.#tellers[kind]?.(bot, payload as never)
    if (told === undefined) return
    const { fields, people = [], places = [], isNumbered = false } = told
    const users = [...new Set(people)].flatMap((id) => {
      const account = this.world.accounts.find(id)
      return account === undefined ? [] : [this.describer.user(bot, account.user)]
    })
    const chats = [...new Set(places)].flatMap((id) => {
      const chat = this.world.sharedChat(id)
      return chat === undefined ? [] : [this.describer.chat(bot, chat)]
    })
    if (!isNumbered) {
      this.tell(bot, { update: fields, users, chats })
      return
    }
    const kept = getOrInsert(this.#kept, bot.id, (): Kept => ({ qts: 0, list: [] }))
    const qts = ++kept.qts
    const event = { qts, update: { ...fields, qts }, users, chats }
    kept.list.push(event)
    if (kept.list.length > KEPT) kept.list.shift()
    this.tell(bot, event)
  }

  readonly #tellers: Tellers = {
    callback_query: (bot, { id, from, message, chat_instance, data }) => {
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
      return { fields, people: [from.id], places: [message.chat.id] }
    },
    inline_query: (_, { id, from, query, offset }) => {
      const who = { query_id: BigInt(id), user_id: BigInt(from.id) }
      return { fields: { _: 'updateBotInlineQuery', ...who, query, offset }, people: [from.id] }
    },
    pre_checkout_query: (_, { id, from, currency, total_amount, invoice_payload }) => {
      const fields = {
        _: 'updateBotPrecheckoutQuery',
        query_id: BigInt(id),
        user_id: BigInt(from.id),
        payload: Buffer.from(invoice_payload),
        currency,
        total_amount: BigInt(total_amount),
      }
      return { fields, people: [from.id] }
    },
    chat_member: (bot, changed) => this.#membership(bot, changed),
    my_chat_member: (bot, changed) => this.#membership(bot, changed),
    chat_join_request: (_, { chat, from, date, bio, invite_link: link, query_id }) => {
      const fields = {
        _: 'updateBotChatInviteRequester',
        peer: peerOf(chat.id),
        date,
        user_id: BigInt(from.id),
        about: bio ?? '',
        invite: link === undefined ? { _: 'chatInvitePublicJoinRequests' } : inviteOf(link, date),
        ...(query_id !== undefined && { query_id: BigInt(query_id) }),
      }
      const people = [from.id, ...(link === undefined ? [] : [link.creator.id])]
      return { isNumbered: true, fields, people, places: [chat.id] }
    },
    message_reaction: (bot, { chat, message_id, date, user, actor_chat, old_reaction, new_reaction }) => {
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
      return { isNumbered: true, fields, people: [actor], places: [chat.id, actor] }
    },
    message_reaction_count: (_, { chat, message_id, date, reactions }) => {
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
      return { isNumbered: true, fields, places: [chat.id] }
    },
    poll: (_, poll) => ({
      fields: {
        _: 'updateMessagePoll',
        poll_id: BigInt(poll.id),
        poll: pollOf(poll),
        results: resultsOf(poll),
      },
    }),
    poll_answer: (_, { poll_id, user, voter_chat, option_ids }) => {
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
      return { isNumbered: true, fields, people: [voter], places: [voter] }
    },
  }

  #membership(bot: BotAccount, told: ChatMemberUpdated): Told | undefined {
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
      return { isNumbered: true, fields, people }
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
    return { isNumbered: true, fields, people, places: [chat.id] }
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
