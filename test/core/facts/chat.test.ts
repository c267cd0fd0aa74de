import type { Update } from '@grammyjs/types'
import { actorOf, alice, at, edited, home, plaza, ROWS, read } from './updates.js'

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
