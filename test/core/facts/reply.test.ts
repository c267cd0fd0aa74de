import type { Update } from '@grammyjs/types'
import type { SubjectRef } from '../../../src/core/subject.js'
import {
  alice,
  anonymous,
  at,
  bob,
  bot,
  channelBot,
  edited,
  news,
  plaza,
  ROWS,
  read,
  telegram,
  text,
} from './updates.js'

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
