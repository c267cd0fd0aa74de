import type { Chat, Message } from '@grammyjs/types'
import fc from 'fast-check'
import { Digest } from '../../../src/core/digest.js'
import { describe as factsOf } from '../../../src/core/facts.js'
import { alice, at, bob, home, market, news, plaza, poll, read, reading, text } from './updates.js'

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
