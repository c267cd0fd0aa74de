import type { Chat, Update, User } from '@grammyjs/types'
import { Digest } from '../../../src/core/digest.js'
import { type Facts, describe as factsOf } from '../../../src/core/facts.js'
import {
  type Activity,
  type ActorKind,
  ANONYMOUS_ADMIN_ID,
  CHANNEL_SENDER_ID,
  TELEGRAM_ID,
  type UpdateKind,
} from '../../../src/core/kinds.js'
import { keyText } from '../../../src/core/subject.js'

/* Updates of every kind, in a few chats, and their facts as a bot named guard_bot reads them. */

export const alice: User = { id: 7, is_bot: false, first_name: 'Alice', language_code: 'pt-br' }
export const bob: User = { id: 8, is_bot: false, first_name: 'Bob', language_code: 'en' }
export const bot: User = { id: 42, is_bot: true, first_name: 'Guard', username: 'Guard_bot' }
export const anonymous: User = {
  id: ANONYMOUS_ADMIN_ID,
  is_bot: true,
  first_name: 'Group',
  username: 'GroupAnonymousBot',
}
export const channelBot: User = {
  id: CHANNEL_SENDER_ID,
  is_bot: true,
  first_name: 'Channel',
  username: 'Channel_Bot',
}
export const telegram: User = { id: TELEGRAM_ID, is_bot: false, first_name: 'Telegram' }

export const home: Chat.PrivateChat = { id: 7, type: 'private', first_name: 'Alice' }
export const plaza: Chat.SupergroupChat = { id: -1001, type: 'supergroup', title: 'Plaza' }
export const market: Chat.SupergroupChat = { id: -1002, type: 'supergroup', title: 'Market' }
export const club: Chat.GroupChat = { id: -500, type: 'group', title: 'Club' }
export const news: Chat.ChannelChat = { id: -1003, type: 'channel', title: 'News' }

export const reading = { username: 'guard_bot', digest: Digest.keyed('test') }
export const at = { message_id: 5, date: 1_790_000_000 }
export const edited = { edit_date: 1_790_000_001 }
export const text = (words: string) => ({ ...at, chat: plaza, from: alice, text: words })

export function read(update: Omit<Update, 'update_id'>): Facts {
  return factsOf({ update_id: 1, ...update }, reading)
}

export function actorOf(facts: Facts): string | undefined {
  return facts.actor === undefined ? undefined : keyText(facts.actor)
}

interface Row {
  readonly update: Omit<Update, 'update_id'>
  readonly actor: string | undefined
  readonly actorKind: ActorKind | undefined
  readonly activity: Activity
  readonly cost: 0 | 1
  readonly chat?: Chat
  readonly user?: User
  readonly target?: User
  readonly command?: string
  readonly album?: string
  /** Whether the update has a fingerprint. */
  readonly compared?: true
}

export const poll = {
  id: 'p',
  question: 'Tea?',
  options: [{ persistent_id: 'a', text: 'Yes', voter_count: 0 }],
  total_voter_count: 0,
  is_closed: false,
  is_anonymous: true,
  type: 'regular' as const,
  allows_multiple_answers: false,
  allows_revoting: true,
  members_only: false,
}
export const joined = {
  chat: plaza,
  date: 1,
  old_chat_member: { status: 'left' as const, user: bob },
  new_chat_member: { status: 'member' as const, user: bob },
}

export const ROWS: Record<UpdateKind, Row> = {
  message: {
    update: { message: { ...text('/start'), media_group_id: 'a' } },
    actor: 'u7',
    actorKind: 'user',
    activity: 'message',
    cost: 1,
    chat: plaza,
    user: alice,
    command: 'start',
    album: 'a',
    compared: true,
  },
  edited_message: {
    update: { edited_message: { ...text('/start'), ...edited, media_group_id: 'a' } },
    actor: 'u7',
    actorKind: 'user',
    activity: 'edit',
    cost: 1,
    chat: plaza,
    user: alice,
  },
  channel_post: {
    update: { channel_post: { ...at, chat: news, sender_chat: news, text: 'news', media_group_id: 'a' } },
    actor: 's-1003',
    actorKind: 'channel',
    activity: 'post',
    cost: 0,
    chat: news,
    album: 'a',
    compared: true,
  },
  edited_channel_post: {
    update: {
      edited_channel_post: {
        ...at,
        ...edited,
        chat: news,
        sender_chat: news,
        text: 'news',
        media_group_id: 'a',
      },
    },
    actor: 's-1003',
    actorKind: 'channel',
    activity: 'post',
    cost: 0,
    chat: news,
  },
  business_connection: {
    update: { business_connection: { id: 'c', user: alice, user_chat_id: 7, date: 1, is_enabled: true } },
    actor: 'u7',
    actorKind: 'user',
    activity: 'service',
    cost: 0,
    user: alice,
  },
  business_message: {
    update: { business_message: { ...text('hi'), chat: home, business_connection_id: 'c' } },
    actor: 'u7',
    actorKind: 'user',
    activity: 'message',
    cost: 1,
    chat: home,
    user: alice,
    compared: true,
  },
  edited_business_message: {
    update: {
      edited_business_message: { ...text('hi'), ...edited, chat: home, business_connection_id: 'c' },
    },
    actor: 'u7',
    actorKind: 'user',
    activity: 'edit',
    cost: 1,
    chat: home,
    user: alice,
  },
  deleted_business_messages: {
    update: { deleted_business_messages: { business_connection_id: 'c', chat: home, message_ids: [1] } },
    actor: undefined,
    actorKind: undefined,
    activity: 'service',
    cost: 0,
    chat: home,
  },
  guest_message: {
    update: { guest_message: { ...text('@guard_bot hi'), guest_query_id: 'q' } },
    actor: 'u7',
    actorKind: 'user',
    activity: 'message',
    cost: 1,
    chat: plaza,
    user: alice,
    compared: true,
  },
  stopped_message_generation: {
    update: { stopped_message_generation: { chat: home, draft_id: 1 } },
    actor: 'u7',
    actorKind: 'user',
    activity: 'service',
    cost: 0,
    chat: home,
  },
  message_reaction: {
    update: {
      message_reaction: {
        chat: plaza,
        message_id: 5,
        user: alice,
        date: 1,
        old_reaction: [],
        new_reaction: [],
      },
    },
    actor: 'u7',
    actorKind: 'user',
    activity: 'reaction',
    cost: 1,
    chat: plaza,
    user: alice,
  },
  message_reaction_count: {
    update: { message_reaction_count: { chat: news, message_id: 5, date: 1, reactions: [] } },
    actor: undefined,
    actorKind: undefined,
    activity: 'service',
    cost: 0,
    chat: news,
  },
  inline_query: {
    update: { inline_query: { id: 'i', from: alice, query: 'cats', offset: '' } },
    actor: 'u7',
    actorKind: 'user',
    activity: 'inline',
    cost: 1,
    user: alice,
    compared: true,
  },
  chosen_inline_result: {
    update: { chosen_inline_result: { result_id: 'r', from: alice, query: 'cats' } },
    actor: 'u7',
    actorKind: 'user',
    activity: 'inline',
    cost: 1,
    user: alice,
  },
  callback_query: {
    update: {
      callback_query: {
        id: 'c',
        from: alice,
        message: { ...at, chat: plaza, from: bot, text: 'Menu' },
        chat_instance: 'x',
        data: 'ok',
      },
    },
    actor: 'u7',
    actorKind: 'user',
    activity: 'tap',
    cost: 1,
    chat: plaza,
    user: alice,
    compared: true,
  },
  shipping_query: {
    update: {
      shipping_query: {
        id: 's',
        from: alice,
        invoice_payload: 'i',
        shipping_address: {
          country_code: 'PT',
          state: '',
          city: '',
          street_line1: '',
          street_line2: '',
          post_code: '',
        },
      },
    },
    actor: 'u7',
    actorKind: 'user',
    activity: 'checkout',
    cost: 1,
    user: alice,
  },
  pre_checkout_query: {
    update: {
      pre_checkout_query: { id: 'p', from: alice, currency: 'XTR', total_amount: 1, invoice_payload: 'i' },
    },
    actor: 'u7',
    actorKind: 'user',
    activity: 'checkout',
    cost: 1,
    user: alice,
  },
  purchased_paid_media: {
    update: { purchased_paid_media: { from: alice, paid_media_payload: 'i' } },
    actor: 'u7',
    actorKind: 'user',
    activity: 'payment',
    cost: 1,
    user: alice,
  },
  poll: {
    update: { poll },
    actor: undefined,
    actorKind: undefined,
    activity: 'service',
    cost: 0,
  },
  poll_answer: {
    update: { poll_answer: { poll_id: 'p', user: alice, option_ids: [0], option_persistent_ids: ['a'] } },
    actor: 'u7',
    actorKind: 'user',
    activity: 'vote',
    cost: 1,
    user: alice,
  },
  my_chat_member: {
    update: { my_chat_member: { ...joined, from: alice, new_chat_member: { status: 'member', user: bot } } },
    actor: 'u7',
    actorKind: 'user',
    activity: 'membership',
    cost: 0,
    chat: plaza,
    user: alice,
    target: bot,
  },
  chat_member: {
    update: { chat_member: { ...joined, from: alice } },
    actor: 'u7',
    actorKind: 'user',
    activity: 'membership',
    cost: 0,
    chat: plaza,
    user: alice,
    target: bob,
  },
  chat_join_request: {
    update: { chat_join_request: { chat: plaza, from: alice, user_chat_id: 7, date: 1 } },
    actor: 'u7',
    actorKind: 'user',
    activity: 'membership',
    cost: 0,
    chat: plaza,
    user: alice,
    target: alice,
  },
  chat_boost: {
    update: {
      chat_boost: {
        chat: news,
        boost: { boost_id: 'b', add_date: 1, expiration_date: 2, source: { source: 'premium', user: alice } },
      },
    },
    actor: 'u7',
    actorKind: 'user',
    activity: 'service',
    cost: 0,
    chat: news,
    user: alice,
  },
  removed_chat_boost: {
    update: {
      removed_chat_boost: {
        chat: news,
        boost_id: 'b',
        remove_date: 1,
        source: { source: 'gift_code', user: alice },
      },
    },
    actor: 'u7',
    actorKind: 'user',
    activity: 'service',
    cost: 0,
    chat: news,
    user: alice,
  },
  managed_bot: {
    update: { managed_bot: { user: alice, bot } },
    actor: 'u7',
    actorKind: 'user',
    activity: 'service',
    cost: 0,
    user: alice,
    target: bot,
  },
  subscription: {
    update: { subscription: { user: alice, invoice_payload: 'i', state: 'active' } },
    actor: 'u7',
    actorKind: 'user',
    activity: 'payment',
    cost: 1,
    user: alice,
  },
}
