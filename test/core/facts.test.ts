import { readFileSync } from 'node:fs'
import type { Chat, Message, Update, User, UserFromGetMe } from '@grammyjs/types'
import fc from 'fast-check'
import { API_CONSTANTS, Api, Context } from 'grammy'
import { Digest } from '../../src/core/digest.js'
import { type Facts, describe as factsOf } from '../../src/core/facts.js'
import {
  type Activity,
  type ActorKind,
  ANONYMOUS_ADMIN_ID,
  CHANNEL_SENDER_ID,
  TELEGRAM_ID,
  UPDATE_KINDS,
  type UpdateKind,
} from '../../src/core/kinds.js'
import {
  chatKey,
  type Key,
  keyText,
  type SubjectRef,
  senderKey,
  subjectKey,
  textKey,
  userKey,
} from '../../src/core/subject.js'

const alice: User = { id: 7, is_bot: false, first_name: 'Alice', language_code: 'pt-br' }
const bob: User = { id: 8, is_bot: false, first_name: 'Bob', language_code: 'en' }
const bot: User = { id: 42, is_bot: true, first_name: 'Guard', username: 'Guard_bot' }
const anonymous: User = {
  id: ANONYMOUS_ADMIN_ID,
  is_bot: true,
  first_name: 'Group',
  username: 'GroupAnonymousBot',
}
const channelBot: User = {
  id: CHANNEL_SENDER_ID,
  is_bot: true,
  first_name: 'Channel',
  username: 'Channel_Bot',
}
const telegram: User = { id: TELEGRAM_ID, is_bot: false, first_name: 'Telegram' }

const home: Chat.PrivateChat = { id: 7, type: 'private', first_name: 'Alice' }
const plaza: Chat.SupergroupChat = { id: -1001, type: 'supergroup', title: 'Plaza' }
const market: Chat.SupergroupChat = { id: -1002, type: 'supergroup', title: 'Market' }
const club: Chat.GroupChat = { id: -500, type: 'group', title: 'Club' }
const news: Chat.ChannelChat = { id: -1003, type: 'channel', title: 'News' }

const reading = { username: 'guard_bot', digest: Digest.keyed('test') }
const at = { message_id: 5, date: 1_790_000_000 }
const edited = { edit_date: 1_790_000_001 }
const text = (words: string) => ({ ...at, chat: plaza, from: alice, text: words })

function read(update: Omit<Update, 'update_id'>): Facts {
  return factsOf({ update_id: 1, ...update }, reading)
}

function actorOf(facts: Facts): string | undefined {
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

const poll = {
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
const joined = {
  chat: plaza,
  date: 1,
  old_chat_member: { status: 'left' as const, user: bob },
  new_chat_member: { status: 'member' as const, user: bob },
}

const ROWS: Record<UpdateKind, Row> = {
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

describe('the facts', () => {
  test('contain exactly the kinds of update that grammY knows', () => {
    expect([...UPDATE_KINDS].sort()).toEqual([...API_CONSTANTS.ALL_UPDATE_TYPES].sort())
    expect(new Set(UPDATE_KINDS).size).toBe(27)
  })

  test.each(UPDATE_KINDS)('of an update of kind %s', (kind) => {
    const row = ROWS[kind]
    const facts = read(row.update)
    expect({
      updateId: facts.updateId,
      kind: facts.kind,
      activity: facts.activity,
      actor: actorOf(facts),
      actorId: facts.actorId,
      actorKind: facts.actorKind,
      chatId: facts.chatId,
      chatType: facts.chatType,
      inGroup: facts.inGroup,
      cost: facts.cost,
      command: facts.command,
      album: facts.album,
      user: facts.user,
      target: facts.target,
      languageCode: facts.languageCode,
      compared: facts.fingerprint !== undefined,
    }).toEqual({
      updateId: 1,
      kind,
      activity: row.activity,
      actor: row.actor,
      actorId: row.actor === undefined ? undefined : Number(row.actor.slice(1)),
      actorKind: row.actorKind,
      chatId: row.chat?.id,
      chatType: row.chat?.type,
      inGroup: row.chat === plaza,
      cost: row.cost,
      command: row.command,
      album: row.album,
      user: row.user,
      target: row.target,
      languageCode: row.user?.language_code,
      compared: row.compared ?? false,
    })
  })

  test('of an unknown kind have no actor, chat, user or fingerprint', () => {
    const facts = factsOf({ update_id: 9, telepathy: { from: alice, chat: plaza } } as Update)
    expect([facts.updateId, facts.kind, facts.activity, facts.cost]).toEqual([9, undefined, 'unknown', 0])
    expect([facts.actor, facts.chatId, facts.user, facts.fingerprint]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })
})

describe('the actor', () => {
  test('of a poll answer is the user or the voting chat, although grammY has no ctx.from', () => {
    const vote = { poll_id: 'p', option_ids: [0], option_persistent_ids: ['a'] }
    expect(actorOf(read({ poll_answer: { ...vote, user: alice } }))).toBe('u7')
    // For old bots, Telegram adds the stand-in user that all channels share.
    const asChannel = read({ poll_answer: { ...vote, voter_chat: news, user: channelBot } })
    expect([actorOf(asChannel), asChannel.actorKind]).toEqual(['s-1003', 'channel'])
    const asGroup = read({ poll_answer: { ...vote, voter_chat: plaza } })
    expect([actorOf(asGroup), asGroup.actorKind]).toEqual(['s-1001', 'anonymous'])
  })

  test('of an anonymous reaction is actor_chat: the group itself, or a channel', () => {
    const reaction = { chat: plaza, message_id: 5, date: 1, old_reaction: [], new_reaction: [] }
    const admin = read({ message_reaction: { ...reaction, actor_chat: plaza } })
    expect([actorOf(admin), admin.actorKind, admin.user]).toEqual(['s-1001', 'anonymous', undefined])
    const channel = read({ message_reaction: { ...reaction, actor_chat: news } })
    expect([actorOf(channel), channel.actorKind]).toEqual(['s-1003', 'channel'])
  })

  test('is undefined for changed polls, reaction counts and deleted business messages', () => {
    for (const kind of ['poll', 'message_reaction_count', 'deleted_business_messages'] as const) {
      expect(read(ROWS[kind].update).actor).toBeUndefined()
    }
  })

  test('of chat_member is the performer; the member is the target', () => {
    const facts = read({ chat_member: { ...joined, from: alice } })
    expect([facts.actorId, facts.target?.id]).toEqual([7, 8])
    const self = read({ chat_member: { ...joined, from: bob } })
    expect([self.actorId, self.target?.id]).toEqual([8, 8])
  })

  test('is the group if an anonymous administrator admits somebody, not the stand-in that all groups share', () => {
    const facts = read({ chat_member: { ...joined, from: anonymous } })
    expect([actorOf(facts), facts.actorKind, facts.target?.id]).toEqual(['s-1001', 'anonymous', 8])
  })

  test('is different for anonymous administrators of two groups', () => {
    const inPlaza = read({ message: { ...at, chat: plaza, from: anonymous, sender_chat: plaza, text: 'hi' } })
    const inMarket = read({
      message: { ...at, chat: market, from: anonymous, sender_chat: market, text: 'hi' },
    })
    expect([actorOf(inPlaza), actorOf(inMarket)]).toEqual(['s-1001', 's-1002'])
    expect([inPlaza.actorKind, inMarket.actorKind]).toEqual(['anonymous', 'anonymous'])
  })

  test('is the channel that writes in a group, not the stand-in that all channels share', () => {
    const facts = read({ message: { ...at, chat: plaza, from: channelBot, sender_chat: news, text: 'hi' } })
    expect([actorOf(facts), facts.actorKind, facts.activity]).toEqual(['s-1003', 'channel', 'message'])
    expect(facts.user?.id).toBe(CHANNEL_SENDER_ID)
  })

  test('for a channel that writes is not the chat with the same id', () => {
    const facts = read({ message: { ...at, chat: plaza, from: channelBot, sender_chat: news, text: 'hi' } })
    expect(facts.actor).toBe(senderKey(news.id))
    expect(facts.actor).not.toBe(chatKey(news.id))
    expect(facts.actor).not.toBe(userKey(news.id))
  })

  test('of an automatic forward is the linked channel; the forward is a post and costs nothing', () => {
    const forward = {
      ...at,
      chat: plaza,
      from: telegram,
      sender_chat: news,
      is_automatic_forward: true as const,
      text: 'start',
    }
    const facts = read({ message: forward })
    expect([actorOf(facts), facts.activity, facts.cost, facts.command]).toEqual([
      's-1003',
      'post',
      0,
      undefined,
    ])
    const edit = read({ edited_message: { ...forward, ...edited } })
    expect([actorOf(edit), edit.activity]).toEqual(['s-1003', 'post'])
  })

  test('of a command in a channel post or its automatic forward is the channel; the command counts as a message', () => {
    const post = { ...at, chat: news, sender_chat: news, text: '/ban all' }
    const forward = { ...post, chat: plaza, from: telegram, is_automatic_forward: true as const }
    for (const facts of [read({ channel_post: post }), read({ message: forward })]) {
      expect([actorOf(facts), facts.activity, facts.cost, facts.command]).toEqual([
        's-1003',
        'message',
        1,
        'ban',
      ])
    }
    const others = read({ channel_post: { ...post, text: '/ban@other_bot' } })
    expect([others.activity, others.cost, others.command]).toEqual(['post', 0, undefined])
    const edit = read({ edited_channel_post: { ...post, ...edited } })
    expect([edit.activity, edit.command]).toEqual(['post', undefined])
  })

  test.each([
    ['an anonymous administrator', anonymous, 's-1001', 'anonymous'],
    ['a channel', channelBot, undefined, undefined],
    ['a linked channel', telegram, undefined, undefined],
  ] as const)('is not the shared stand-in of %s if the chat is missing', (_whose, from, actor, kind) => {
    const facts = read({ message: { ...at, chat: plaza, from, text: 'hi' } })
    expect([actorOf(facts), facts.actorKind]).toEqual([actor, kind])
  })

  test('is taken from `from` if the sender chat is malformed, so that a flood still has a sender', () => {
    const update: unknown = { update_id: 1, message: { ...text('hi'), sender_chat: {} } }
    expect(actorOf(factsOf(update as Update, reading))).toBe('u7')
  })

  test('of a boost is the booster, and undefined for an unclaimed giveaway', () => {
    const boost = { boost_id: 'b', add_date: 1, expiration_date: 2 }
    expect(
      read({
        chat_boost: {
          chat: news,
          boost: { ...boost, source: { source: 'giveaway', giveaway_message_id: 1, user: bob } },
        },
      }).actorId,
    ).toBe(8)
    const unclaimed = { source: 'giveaway' as const, giveaway_message_id: 1, is_unclaimed: true as const }
    for (const facts of [
      read({ chat_boost: { chat: news, boost: { ...boost, source: unclaimed } } }),
      read({ removed_chat_boost: { chat: news, boost_id: 'b', remove_date: 1, source: unclaimed } }),
    ]) {
      expect([facts.actor, facts.actorKind, facts.user, facts.chatId]).toEqual([
        undefined,
        undefined,
        undefined,
        news.id,
      ])
    }
  })

  test('of a channel post without a sender is the channel', () => {
    expect(actorOf(read({ channel_post: { ...at, chat: news, text: 'hi' } }))).toBe('s-1003')
  })

  test('of a join request is the requester, who is the target as well', () => {
    const facts = read({
      chat_join_request: { chat: news, from: bob, user_chat_id: 8, date: 1, query_id: 'q' },
    })
    expect([actorOf(facts), facts.target?.id, facts.chatType, facts.cost]).toEqual(['u8', 8, 'channel', 0])
  })
})

describe('the subject of an update', () => {
  test.each(UPDATE_KINDS)('of an update of kind %s is the actor', (kind) => {
    const facts = read(ROWS[kind].update)
    expect(facts.subject === undefined ? undefined : subjectKey(facts.subject)).toBe(facts.actor)
  })

  test('distinguishes channels and anonymous administrators of groups from users', () => {
    const as = (from: User, sender_chat: Chat) =>
      read({ message: { ...at, chat: plaza, from, sender_chat, text: 'hi' } }).subject
    expect(as(channelBot, news)).toEqual({ kind: 'sender', id: news.id, name: '' })
    expect(as(anonymous, plaza)).toEqual({ kind: 'sender', id: plaza.id, name: '' })
    expect(read({ message: text('hi') }).subject).toEqual({ kind: 'user', id: 7, name: '' })
  })
})

describe('the connection of a chat', () => {
  const message = { ...at, chat: home, from: alice, text: 'hi' }
  const business = { ...message, business_connection_id: 'c' }
  const tap = (original: object) => ({
    callback_query: { id: 'q', from: alice, chat_instance: 'i', data: 'ok', message: original },
  })

  test.each<[string, object, string | undefined]>([
    ['a business message', { business_message: business }, 'c'],
    ['its edit', { edited_business_message: { ...business, ...edited } }, 'c'],
    ['its deletion', ROWS.deleted_business_messages.update, 'c'],
    ['a tap on a business message', tap(business), 'c'],
    ['a guest message in a private chat', { guest_message: { ...message, guest_query_id: 'q' } }, 'guest-7'],
    ['undefined: a guest message in a group', { guest_message: { ...message, chat: plaza } }, undefined],
    ['undefined: a message to the bot', { message }, undefined],
    ['undefined: its edit', { edited_message: { ...message, ...edited } }, undefined],
    ['undefined: a tap on a message of the bot', tap(message), undefined],
    ['undefined: a business connection without a chat', ROWS.business_connection.update, undefined],
    [
      'undefined: an empty connection',
      { business_message: { ...message, business_connection_id: '' } },
      undefined,
    ],
    [
      'undefined: a malformed connection',
      { business_message: { ...message, business_connection_id: {} } },
      undefined,
    ],
  ])('%s', (_, update, expected) => {
    expect(read(update as unknown as Omit<Update, 'update_id'>).connection).toBe(expected)
  })
})

describe('the author of the replied-to message', () => {
  const replyTo = (original: object, kind: 'message' | 'channel_post' = 'message'): SubjectRef | undefined =>
    read({ [kind]: { ...text('/block'), reply_to_message: { ...at, text: 'spam', ...original } } }).repliedTo
  const user = (id: number): SubjectRef => ({ kind: 'user', id, name: '' })
  const sender = (id: number): SubjectRef => ({ kind: 'sender', id, name: '' })

  test.each<[string, object, SubjectRef | undefined]>([
    ['a user', { chat: plaza, from: bob }, user(8)],
    ['a bot', { chat: plaza, from: bot }, user(42)],
    [
      'the user who forwarded it, not the original author',
      { chat: plaza, from: bob, forward_origin: { type: 'user', sender_user: alice, date: 1 } },
      user(8),
    ],
    ['anonymous administrators', { chat: plaza, from: anonymous, sender_chat: plaza }, sender(-1001)],
    ['anonymous administrators without a sender chat', { chat: plaza, from: anonymous }, sender(-1001)],
    ['a channel that writes', { chat: plaza, from: channelBot, sender_chat: news }, sender(-1003)],
    [
      'the linked channel, for an automatic forward',
      { chat: plaza, from: telegram, sender_chat: news, is_automatic_forward: true },
      sender(-1003),
    ],
    ['a channel, for its own post', { chat: news, sender_chat: news }, sender(-1003)],
    ['a channel, for its own post without a sender chat', { chat: news }, sender(-1003)],
    ['undefined: a channel without its sender chat', { chat: plaza, from: channelBot }, undefined],
    ['undefined: Telegram', { chat: plaza, from: telegram }, undefined],
    ['undefined: no author', { chat: plaza }, undefined],
    [
      'undefined: the message that opened the topic, to which every message in it is a reply',
      { chat: plaza, from: bob, forum_topic_created: { name: 'Tea', icon_color: 1 } },
      undefined,
    ],
    ['undefined: a malformed author', { chat: plaza, from: { id: '8' } }, undefined],
  ])('%s', (_, original, expected) => {
    expect(replyTo(original)).toEqual(expected)
  })

  test("is undefined for a plain comment under a channel's post: Telegram gives every comment the post as its reply", () => {
    const post = {
      ...{ ...at, message_id: 10, chat: plaza, from: telegram, sender_chat: news, text: 'news' },
      is_automatic_forward: true,
    }
    const comment = (message_thread_id: number, original: object): SubjectRef | undefined =>
      read({
        message: { ...text('/ban'), chat: plaza, message_thread_id, reply_to_message: original },
      } as unknown as Omit<Update, 'update_id'>).repliedTo
    expect(comment(10, post)).toBeUndefined()
    expect(comment(10, { ...at, message_id: 11, chat: plaza, from: bob, text: 'spam' })).toEqual(user(8))
    // In another thread the post was chosen by the person who replies.
    expect(comment(9, post)).toEqual(sender(-1003))
  })

  test('is also read from edits, and undefined if the message is not a reply', () => {
    const reply = { ...text('/block'), reply_to_message: { ...at, chat: plaza, from: bob, text: 'spam' } }
    const edit = { edited_message: { ...reply, ...edited } } as unknown as Omit<Update, 'update_id'>
    expect(read(edit).repliedTo).toEqual(user(8))
    expect(read({ message: text('hi') }).repliedTo).toBeUndefined()
    expect(read(ROWS.poll.update).repliedTo).toBeUndefined()
    expect(replyTo({ chat: news }, 'channel_post')).toEqual(sender(-1003))
  })
})

describe('the activity', () => {
  test('of a message of our own business bot is service, and costs nothing', () => {
    const facts = read({
      business_message: { ...text('Welcome'), chat: home, from: bob, sender_business_bot: bot },
    })
    expect([facts.activity, facts.cost, facts.command]).toEqual(['service', 0, undefined])
  })

  test('of an away message is service, since customers cause it; scheduled messages of a customer are messages', () => {
    const message = { ...text('We are closed.'), chat: home, is_from_offline: true as const }
    const activityOf = (kind: 'message' | 'business_message', from: User) =>
      read({ [kind]: { ...message, from } }).activity
    expect(activityOf('business_message', bob)).toBe('service')
    expect(activityOf('business_message', alice)).toBe('message')
    expect(activityOf('message', bob)).toBe('message')
    // Only its owner edits such a message.
    expect(read({ edited_business_message: { ...message, ...edited, from: bob } }).activity).toBe('edit')
  })

  test('of an edit is edit, without a command or a fingerprint', () => {
    const facts = read({ edited_message: { ...text('/start'), ...edited } })
    expect([facts.activity, facts.command, facts.fingerprint]).toEqual(['edit', undefined, undefined])
  })

  test('of a message with successful_payment or refunded_payment is payment', () => {
    const paid = { currency: 'XTR', total_amount: 1, invoice_payload: 'i', telegram_payment_charge_id: 't' }
    const { text: _, ...message } = text('')
    expect(
      read({ message: { ...message, successful_payment: { ...paid, provider_payment_charge_id: 'p' } } })
        .activity,
    ).toBe('payment')
    expect(read({ message: { ...message, refunded_payment: { ...paid, currency: 'XTR' } } }).activity).toBe(
      'payment',
    )
  })

  test('of a message about members who join or leave is service, with the member as its target', () => {
    const { text: _, ...message } = text('')
    const came = read({ message: { ...message, new_chat_members: [bob, alice] } })
    expect([came.activity, came.cost, came.actorId, came.target?.id]).toEqual(['service', 0, 7, 8])
    const left = read({ message: { ...message, left_chat_member: bob } })
    expect([left.activity, left.cost, left.target?.id]).toEqual(['service', 0, 8])
  })

  test('is service for every service message of the Bot API except data that is sent to the bot', () => {
    const types = readFileSync('node_modules/@grammyjs/types/message.d.ts', 'utf8')
    const api = types.slice(types.indexOf('export interface Message extends'))
    const fields = [
      ...api.slice(0, api.indexOf('\n}')).matchAll(/\/\*\* Service message: .*\*\/\n\s+(\w+)\?:/g),
    ].map((match) => match[1] as string)
    expect(fields.length).toBeGreaterThan(35)
    const toTheBot = ['users_shared', 'chat_shared', 'web_app_data']
    const others = fields.filter((field) => {
      const update: unknown = { update_id: 1, message: { ...at, chat: plaza, from: alice, [field]: {} } }
      return factsOf(update as Update).activity !== 'service'
    })
    expect(others.sort()).toEqual(toTheBot.sort())
  })

  test('of a photo, a sticker or shared data is message', () => {
    const size = { file_id: 'f', file_unique_id: 'u', width: 1, height: 1 }
    const { text: _, ...message } = text('')
    expect(read({ message: { ...message, photo: [size] } }).activity).toBe('message')
    expect(
      read({ message: { ...message, web_app_data: { data: '{}', button_text: 'Open' } } }).activity,
    ).toBe('message')
  })

  test('of parts of an album shares one album id, which edits lack, or edits would be free', () => {
    const part = { ...text('one'), media_group_id: '13' }
    expect(read({ message: part }).album).toBe('13')
    expect(read({ message: { ...part, message_id: 6 } }).album).toBe('13')
    expect(read({ message: { ...part, media_group_id: '' } }).album).toBeUndefined()
    expect(read({ edited_message: { ...part, ...edited } }).album).toBeUndefined()
    const forwarded = { ...part, ...edited, is_automatic_forward: true as const }
    expect(read({ edited_message: forwarded }).album).toBeUndefined()
  })

  test('is in a group only if its chat is a group or a supergroup', () => {
    expect([plaza, club, home].map((chat) => read({ message: { ...text('hi'), chat } }).inGroup)).toEqual([
      true,
      true,
      false,
    ])
    expect(read(ROWS.channel_post.update).inGroup).toBe(false)
  })
})

describe('the chat', () => {
  const tap = { id: 'c', from: alice, chat_instance: 'x', data: 'ok' }

  test('of a tap on an inaccessible message is still known', () => {
    const facts = read({ callback_query: { ...tap, message: { chat: plaza, message_id: 5, date: 0 } } })
    expect([facts.chatId, facts.chatType]).toEqual([-1001, 'supergroup'])
  })

  test('of a tap on an inline message is unknown, but fingerprints of different messages differ', () => {
    const facts = read({ callback_query: { ...tap, inline_message_id: 'm1' } })
    expect([facts.chatId, facts.chatType, actorOf(facts)]).toEqual([undefined, undefined, 'u7'])
    expect(facts.fingerprint).toBeDefined()
    expect(read({ callback_query: { ...tap, inline_message_id: 'm2' } }).fingerprint).not.toBe(
      facts.fingerprint,
    )
  })
})

describe('a command', () => {
  const commandOf = (words: string, more: Pick<Partial<Message>, 'entities'> = {}) =>
    read({ message: { ...text(words), ...more } }).command

  test.each([
    ['/start', 'start'],
    ['/Start now', 'start'],
    ['/start\nnow', 'start'],
    ['/start@guard_bot', 'start'],
    ['/start@GUARD_Bot now', 'start'],
    ['/start@other_bot', undefined],
    ['/start@guard_bot2', undefined],
    ['/start@', 'start'],
    ['/start@ now', 'start'],
    ['/start@x', undefined],
    ['/ /start now', 'start'],
    ['/@ or /start now', 'start'],
    ['/bloc\u212a now', 'block'],
    ['/start@guard_bot/x', undefined],
    // Telegram ends the command before the punctuation, and grammY runs its handler.
    ['/start!', 'start'],
    ['/start, please', 'start'],
    ['/start/x', undefined],
    ['/start<x', undefined],
    ['/starté', undefined],
    ['/début', undefined],
    [' /start', undefined],
    ['say /start', undefined],
    ['/', undefined],
    ['start', undefined],
    ['', undefined],
    [`/${'a'.repeat(64)}`, 'a'.repeat(64)],
    [`/${'a'.repeat(65)}`, undefined],
    ['/__proto__', '__proto__'],
  ])('of the text %j is %p', (words, command) => {
    expect(commandOf(words)).toBe(command)
  })

  test('ends where its entity ends', () => {
    expect(commandOf('/starté', { entities: [{ type: 'bot_command', offset: 0, length: 6 }] })).toBe('start')
    expect(commandOf('/buy /b', { entities: [{ type: 'bot_command', offset: 5, length: 2 }] })).toBe('buy')
  })

  test('is read from a caption too', () => {
    const { text: _, ...message } = text('')
    const size = { file_id: 'f', file_unique_id: 'u', width: 1, height: 1 }
    expect(read({ message: { ...message, photo: [size], caption: '/upload it' } }).command).toBe('upload')
    const entities = [{ type: 'bot_command' as const, offset: 0, length: 7 }]
    expect(
      read({ message: { ...message, photo: [size], caption: '/uploadé', caption_entities: entities } })
        .command,
    ).toBe('upload')
  })

  test('addressed to a bot is not ours while our own username is unknown', () => {
    const facts = (words: string) => factsOf({ update_id: 1, message: text(words) })
    expect([facts('/start').command, facts('/start@guard_bot').command]).toEqual(['start', undefined])
  })

  test('is handledCommand exactly if bot.command() runs for it', () => {
    const { text: _, ...captioned } = text('')
    const names = ['start', 'Start', 'START', 'buy']
    const words = fc
      .tuple(fc.constantFrom(...names), fc.constantFrom('', '@guard_bot', '@Guard_Bot', '@other_bot', '@'))
      .map(([name, recipient]) => `/${name}${recipient}`)
    const lengths = fc.constantFrom(1, 4, 6, 16)
    const types = fc.constantFrom('bot_command' as const, 'code' as const)
    const offsets = fc.constantFrom(0, 0, 0, 1)
    const fields = fc.constantFrom(
      ...(['message', 'channel_post', 'edited_message', 'business_message', 'guest_message'] as const),
    )
    fc.assert(
      fc.property(
        words,
        lengths,
        types,
        offsets,
        fields,
        fc.boolean(),
        (command, cut, type, offset, kind, isText) => {
          const entity = { type, offset, length: cut === 1 ? command.length : cut }
          const message = isText
            ? { ...captioned, text: `${command} now`, entities: [entity] }
            : { ...captioned, photo: [], caption: `${command} now`, caption_entities: [entity] }
          const update = { update_id: 1, [kind]: message } as unknown as Update
          const facts = factsOf(update, reading)
          const ctx = new Context(update, new Api('1:token'), bot as UserFromGetMe)
          const handled = names.filter((name) => ctx.hasCommand(name))
          expect(names.filter((name) => facts.handledCommand === name)).toEqual(handled)
          // A limit or a gate for a command applies to everything that is handled as this command.
          for (const name of handled) expect(facts.command).toBe(name.toLowerCase())
        },
      ),
      { numRuns: 1000 },
    )
  })

  test('is whatever @grammyjs/commands treats as one', () => {
    // The rule of Command.findMatchingCommand() with its default options, and with ignoreCase.
    const treatedAs = (words: string): string | undefined => {
      const found = /\/(?<command>[^@ ]+)(?:@(?<username>[^\s]*))?(?<rest>.*)/.exec(words)?.groups
      const { command, username = '' } = found ?? {}
      return words.startsWith('/') && (username === '' || username === 'guard_bot')
        ? command?.toLowerCase()
        : undefined
    }
    const pieces = fc.constantFrom(
      '/',
      '/',
      '@',
      ' ',
      '\n',
      '\u00a0',
      'x',
      'kick',
      'KICK',
      '\u212aick',
      'guard_bot',
    )
    let seen = 0
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 6 }), (parts) => {
        const words = `/${parts.join('')}`
        if (treatedAs(words) !== 'kick') return
        seen++
        expect(commandOf(words)).toBe('kick')
      }),
      { numRuns: 20_000 },
    )
    expect(seen).toBeGreaterThan(500)
  })

  test('is the same when it is read twice', () => {
    const facts = read({ message: text('/start') })
    expect([facts.command, facts.command]).toEqual(['start', 'start'])
  })
})

describe('a fingerprint', () => {
  const printOf = (message: Partial<Message>, chat: Message['chat'] & Chat.SupergroupChat = plaza) =>
    read({ message: { ...at, from: alice, ...message, chat } }).fingerprint
  const file = { file_id: 'f', file_unique_id: 'u' }
  const media = { width: 1, height: 1, duration: 1 }
  const location = { latitude: 1, longitude: 2 }

  test('is the same for the same words in the same chat, regardless of time and author', () => {
    const first = printOf({ text: 'buy now' })
    expect(first).toBe(printOf({ text: 'buy now', message_id: 99, date: 5, from: bob }))
    expect(Number.isSafeInteger(first)).toBe(true)
  })

  test('differs for other words, in another chat, and with another key', () => {
    const prints = [
      printOf({ text: 'buy now' }),
      printOf({ text: 'buy now!' }),
      printOf({ text: 'buy now' }, market),
      factsOf({ update_id: 1, message: text('buy now') }, { digest: Digest.keyed('other') }).fingerprint,
    ]
    expect(new Set(prints).size).toBe(prints.length)
  })

  test('with the random key of this process is the same every time', () => {
    const update = { update_id: 1, message: text('hi') }
    expect(factsOf(update).fingerprint).toBe(factsOf(update).fingerprint)
  })

  test('differs for every kind of content', () => {
    const contents: Partial<Message>[] = [
      { text: 'u' },
      { photo: [{ ...file, ...media }] },
      { photo: [{ ...file, ...media }], caption: 'u' },
      {
        photo: [
          { ...file, ...media },
          { ...file, ...media, file_unique_id: 'large' },
        ],
      },
      { voice: { ...file, duration: 1 } },
      { document: file },
      { document: { ...file, file_unique_id: 'v' } },
      { animation: { ...file, ...media }, document: file },
      { video_note: { ...file, length: 1, duration: 1 } },
      { contact: { phone_number: '1', first_name: 'A' } },
      { contact: { phone_number: '1', first_name: 'B' } },
      { location },
      { location: { ...location, latitude: 9 } },
      { venue: { location, title: 'Café', address: 'A' }, location },
      { venue: { location, title: 'Bar', address: 'A' }, location },
      { dice: { emoji: '🎲', value: 1 } },
      { dice: { emoji: '🎯', value: 1 } },
      { poll },
      { poll: { ...poll, options: [{ persistent_id: 'a', text: 'No', voter_count: 0 }] } },
      { story: { chat: news, id: 1 } },
      { story: { chat: plaza, id: 1 } },
      { story: { chat: news, id: 2 } },
      { checklist: { title: 'T', tasks: [{ id: 1, text: 'a' }] } },
      { checklist: { title: 'T', tasks: [{ id: 1, text: 'b' }] } },
      { rich_message: { blocks: [{ type: 'paragraph', text: 'a' }] } },
      { rich_message: { blocks: [{ type: 'paragraph', text: 'b' }] } },
      { rich_message: { blocks: [{ type: 'paragraph', text: { type: 'bold', text: 'a' } }] } },
    ]
    const prints = contents.map((content) => printOf(content))
    expect(prints).not.toContain(undefined)
    expect(new Set(prints).size).toBe(contents.length)
  })

  test.each<[string, Partial<Message>, Partial<Message>]>([
    ['the votes of a poll', { poll }, { poll: { ...poll, id: 'q', total_voter_count: 9 } }],
    [
      'the ticks of a checklist',
      { checklist: { title: 'T', tasks: [{ id: 1, text: 'a' }] } },
      {
        checklist: { title: 'T', tasks: [{ id: 1, text: 'a', completed_by_user: bob, completion_date: 5 }] },
      },
    ],
    ['the value of a dice', { dice: { emoji: '🎲', value: 1 } }, { dice: { emoji: '🎲', value: 6 } }],
    [
      'the file id of a voice, which differs by message',
      { voice: { ...file, duration: 1 } },
      { voice: { ...file, file_id: 'g', duration: 1 } },
    ],
    [
      'the file id of a photo in rich text',
      { rich_message: { blocks: [{ type: 'photo', photo: [{ ...file, ...media }] }] } },
      { rich_message: { blocks: [{ type: 'photo', photo: [{ ...file, ...media, file_id: 'g' }] }] } },
    ],
  ])('does not change with %s', (_what, one, other) => {
    expect(printOf(one)).toBe(printOf(other))
  })

  test('cannot be forged by a text that imitates the encoding of another content', () => {
    const forged = [
      printOf({ photo: [{ ...file, file_unique_id: 'a b', ...media }], caption: 'c' }),
      printOf({ photo: [{ ...file, file_unique_id: 'a', ...media }], caption: 'b c' }),
      printOf({ text: 'a 1:b' }),
      printOf({ text: 'a' }),
      printOf({ photo: [{ ...file, ...media }], caption: '1:b' }),
      printOf({ photo: [{ ...file, file_unique_id: 'u 3:1:b', ...media }] }),
    ]
    expect(new Set(forged).size).toBe(forged.length)
    const spelling = fc.string({ unit: fc.constantFrom(' ', ':', '0', '1', '2'), maxLength: 4 })
    fc.assert(
      fc.property(spelling, spelling, spelling, spelling, (id, caption, otherId, otherCaption) => {
        const one = printOf({ photo: [{ ...file, ...media, file_unique_id: id }], caption })
        const other = printOf({
          photo: [{ ...file, ...media, file_unique_id: otherId }],
          caption: otherCaption,
        })
        expect(one === other).toBe(id === otherId && caption === otherCaption)
      }),
    )
  })

  const tap = (data: string, message: Partial<Message> & Pick<Message, 'message_id'>, chat: Chat = plaza) =>
    read({
      callback_query: {
        id: String(Math.random()),
        from: alice,
        message: { date: 1, ...message, chat },
        chat_instance: 'x',
        data,
      },
    }).fingerprint

  test('of a text differs by topic', () => {
    type Topic = Pick<Message, 'is_topic_message' | 'message_thread_id' | 'direct_messages_topic'>
    const inTopic = (topic: Topic) => read({ message: { ...text('yes'), ...topic } }).fingerprint
    const topics = [
      inTopic({}),
      inTopic({ is_topic_message: true, message_thread_id: 11 }),
      inTopic({ is_topic_message: true, message_thread_id: 12 }),
      inTopic({ direct_messages_topic: { topic_id: 13, user: bob } }),
    ]
    expect(new Set(topics).size).toBe(4)
    // A thread of replies is no topic.
    expect(inTopic({ message_thread_id: 11 })).toBe(topics[0])
  })

  test('of a tap is the same for the same button on the same message', () => {
    expect(tap('ok', { message_id: 5 })).toBe(tap('ok', { message_id: 5, text: 'edited' }))
  })

  test('of a tap differs for another button, message, chat and game', () => {
    const game = read({
      callback_query: {
        id: 'c',
        from: alice,
        message: { ...at, chat: plaza },
        chat_instance: 'x',
        game_short_name: 'chess',
      },
    })
    const prints = [
      tap('ok', { message_id: 5 }),
      tap('no', { message_id: 5 }),
      tap('ok', { message_id: 6 }),
      tap('ok', { message_id: 5 }, market),
      game.fingerprint,
    ]
    expect(prints).not.toContain(undefined)
    expect(new Set(prints).size).toBe(prints.length)
  })

  test('of a tap differs for different ephemeral messages, which all have the id 0', () => {
    expect(tap('ok', { message_id: 0, ephemeral_message_id: 1 })).not.toBe(
      tap('ok', { message_id: 0, ephemeral_message_id: 2 }),
    )
  })

  test('differs between two business connections, a guest query and the bot itself, though the chat id is the same', () => {
    const message = { ...at, chat: home, from: alice, text: 'hi' }
    const prints = [
      read({ message }),
      read({ business_message: { ...message, business_connection_id: 'a' } }),
      read({ business_message: { ...message, business_connection_id: 'b' } }),
      read({ guest_message: { ...message, guest_query_id: 'q' } }),
    ].map((facts) => facts.fingerprint)
    expect(new Set(prints).size).toBe(4)
    expect(tap('ok', { message_id: 5, business_connection_id: 'a' }, home)).not.toBe(
      tap('ok', { message_id: 5 }, home),
    )
  })

  test('of an inline query depends on its words and offset', () => {
    const inline = (query: string, offset = '') =>
      read({ inline_query: { id: String(Math.random()), from: alice, query, offset } }).fingerprint
    expect(inline('cats')).toBe(inline('cats'))
    expect(new Set([inline('cats'), inline('cat'), inline('cats', '50'), inline('cats5', '0')]).size).toBe(4)
  })

  test('is a number, without any text', () => {
    const facts = read({ message: text('my secret words') })
    expect(typeof facts.fingerprint).toBe('number')
    expect(facts.digest('my secret words')).toBe(reading.digest.number('my secret words'))
  })
})

/** Reads every fact. */
function readAll(facts: Facts): unknown[] {
  return [
    facts.updateId,
    facts.kind,
    facts.activity,
    facts.actor,
    facts.actorId,
    facts.actorKind,
    facts.chatId,
    facts.chatType,
    facts.connection,
    facts.cost,
    facts.inGroup,
    facts.command,
    facts.album,
    facts.target,
    facts.subject,
    facts.repliedTo,
    facts.user,
    facts.languageCode,
    facts.fingerprint,
  ]
}

const STAND_INS: readonly (number | undefined)[] = [ANONYMOUS_ADMIN_ID, CHANNEL_SENDER_ID, TELEGRAM_ID]

function isHonest(facts: Facts): boolean {
  const isId = (id: unknown) => id === undefined || (Number.isSafeInteger(id) && id !== 0)
  const isText = (value: unknown) => value === undefined || typeof value === 'string'
  return (
    (Number.isNaN(facts.updateId) || Number.isSafeInteger(facts.updateId)) &&
    isId(facts.actorId) &&
    isId(facts.chatId) &&
    isId(facts.user?.id) &&
    isId(facts.target?.id) &&
    isText(facts.chatType) &&
    isText(facts.connection) &&
    isText(facts.command) &&
    isText(facts.album) &&
    isText(facts.languageCode) &&
    (facts.fingerprint === undefined || Number.isSafeInteger(facts.fingerprint)) &&
    (facts.actor === undefined) === (facts.actorKind === undefined) &&
    (facts.actor === undefined) === (facts.actorId === undefined) &&
    (facts.subject === undefined ? undefined : looseKey(facts.subject)) === facts.actor &&
    (facts.repliedTo === undefined || isWriter(facts.repliedTo)) &&
    !(facts.actorKind === 'user' && STAND_INS.includes(facts.actorId))
  )
}

/** The key of a subject whose id may have the wrong sign: facts of malformed updates keep it, and later checks refuse it. */
function looseKey({ kind, id }: SubjectRef): Key {
  return textKey(`${kind === 'sender' ? 's' : 'u'}${id}`)
}

function isWriter(ref: SubjectRef): boolean {
  return ref.kind === 'sender' || (ref.kind === 'user' && !STAND_INS.includes(ref.id))
}

describe('malformed updates', () => {
  const junk = fc.oneof(
    fc.constantFrom<unknown>(
      null,
      true,
      '',
      '/x@',
      0,
      -0,
      7,
      -1001,
      ANONYMOUS_ADMIN_ID,
      CHANNEL_SENDER_ID,
      1e300,
      2 ** 53,
      0.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      [],
      {},
    ),
    fc.string({ maxLength: 8 }),
    fc.double(),
    fc.jsonValue({ maxDepth: 2 }),
  )
  // Real field names: updates with random names would be refused at the first check.
  const names = [
    'id',
    'type',
    'from',
    'user',
    'chat',
    'sender_chat',
    'actor_chat',
    'voter_chat',
    'message',
    'boost',
    'source',
    'bot',
    'new_chat_member',
    'new_chat_members',
    'left_chat_member',
    'reply_to_message',
    'forum_topic_created',
    'text',
    'caption',
    'entities',
    'caption_entities',
    'photo',
    'sticker',
    'file_unique_id',
    'poll',
    'options',
    'story',
    'venue',
    'location',
    'checklist',
    'rich_message',
    'blocks',
    'data',
    'message_id',
    'inline_message_id',
    'game_short_name',
    'media_group_id',
    'language_code',
    'business_connection_id',
    'offset',
    'length',
    'query',
    'is_automatic_forward',
    'successful_payment',
    '__proto__',
    'constructor',
    'toString',
    'update_id',
  ]
  /** Defines properties instead of assigning them, so that `__proto__` is an own key, as after JSON.parse(). */
  const built = (pairs: readonly (readonly [string, unknown])[]): unknown => {
    const object = {}
    for (const [name, value] of pairs) {
      Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
    }
    return object
  }
  const { tree, object } = fc.letrec<{ tree: unknown; object: unknown; list: unknown[] }>((tie) => ({
    tree: fc.oneof({ maxDepth: 3, depthSize: 'small' }, junk, tie('object'), tie('list')),
    object: fc.array(fc.tuple(fc.constantFrom(...names), tie('tree')), { maxLength: 8 }).map(built),
    list: fc.array(tie('tree'), { maxLength: 3 }),
  }))

  test.each(UPDATE_KINDS)('of kind %s never throw, and their facts are well-formed', (kind) => {
    fc.assert(
      fc.property(fc.oneof({ weight: 9, arbitrary: object }, { weight: 1, arbitrary: tree }), (value) => {
        const facts = factsOf({ update_id: 1, [kind]: value } as Update, reading)
        readAll(facts)
        return isHonest(facts)
      }),
      { numRuns: 800 },
    )
  })

  test.each<[string, unknown]>([
    ['null', null],
    ['undefined', undefined],
    ['a text', 'update'],
    ['a list', []],
    ['an empty object', {}],
    ['a message of null', { update_id: 1, message: null }],
    ['an update id of 1e400', JSON.parse('{"update_id":1e400,"message":[]}')],
    ['a text as the update id', { update_id: '1', message: 'hi' }],
    ['an update id of 0.5', { update_id: 0.5 }],
  ])('such as %s have no actor', (_what, update) => {
    const facts = factsOf(update as Update, reading)
    expect([facts.actor, facts.chatId, facts.user, facts.target, facts.command, facts.fingerprint]).toEqual(
      new Array(6).fill(undefined),
    )
    expect(Number.isNaN(facts.updateId) || facts.updateId === 1).toBe(true)
  })

  test('with a malformed kind are read by a well-formed kind beside it', () => {
    const update: unknown = {
      update_id: 1,
      message: null,
      callback_query: ROWS.callback_query.update.callback_query,
    }
    expect(factsOf(update as Update, reading).kind).toBe('callback_query')
  })

  test('with an own __proto__ inherit nothing from it', () => {
    const update: unknown = JSON.parse(
      '{"update_id":1,"message":{"__proto__":{"from":{"id":7},"text":"/start","chat":{"id":7}},"chat":{"__proto__":{"id":8}}}}',
    )
    const facts = factsOf(update as Update, reading)
    expect([facts.actor, facts.chatId, facts.command, facts.fingerprint]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })

  test('nested 100,000 levels deep do not overflow the stack', () => {
    const deep = `${'{"a":['.repeat(100_000)}${']}'.repeat(100_000)}`
    const update: unknown = JSON.parse(`{"update_id":1,"message":{"rich_message":{"blocks":${deep}}}}`)
    expect(factsOf(update as Update, reading).fingerprint).toBeDefined()
  })
})
