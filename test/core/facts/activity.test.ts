import { readFileSync } from 'node:fs'
import type { Update, User } from '@grammyjs/types'
import { describe as factsOf } from '../../../src/core/facts.js'
import { alice, at, bob, bot, club, edited, home, plaza, ROWS, read, text } from './updates.js'

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
