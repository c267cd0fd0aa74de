import type { Update } from '@grammyjs/types'
import { describe as factsOf } from '../../../src/core/facts.js'
import { CHANNEL_SENDER_ID } from '../../../src/core/kinds.js'
import { chatKey, senderKey, userKey } from '../../../src/core/subject.js'
import {
  actorOf,
  alice,
  anonymous,
  at,
  bob,
  channelBot,
  edited,
  joined,
  market,
  news,
  plaza,
  ROWS,
  read,
  reading,
  telegram,
  text,
} from './updates.js'

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
