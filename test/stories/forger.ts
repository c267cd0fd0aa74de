import type { Chat, Message, MessageEntity, User } from 'grammy/types'
import type { RawUpdate, Telegram, TelegramBot, TelegramChannel } from '../../src/telegram/index.js'
import type { ForgedAct } from './rare-acts.js'

/** What forged updates mention. */
interface Surroundings {
  readonly telegram: Telegram
  readonly account: TelegramBot
  readonly channel: TelegramChannel
  /** A message with buttons. */
  readonly card: Message
}

/** The connection of the only business account in a town. */
export const CONNECTION = 'connection-1'
const EMPTY_ADDRESS = {
  ...{ country_code: 'PT', state: '', city: '', street_line1: '', street_line2: '', post_code: '' },
}

/** Makes the updates of which the embedded Telegram knows nothing: those of business accounts, guests, boosts and goods. */
export class Forger {
  private made = 0

  constructor(private readonly around: Surroundings) {}

  /** Returns the update that a person causes. */
  update(act: ForgedAct, from: User): RawUpdate {
    const chat = { id: from.id, type: 'private', first_name: from.first_name } as const
    const message = (text: string) => ({
      ...this.message(text, chat),
      from,
      business_connection_id: CONNECTION,
    })
    switch (act.does) {
      case 'writes to a business':
        return { business_message: message(act.text) }
      case 'edits at a business':
        return { edited_business_message: { ...message(act.text), edit_date: this.date() } }
      case 'is answered for a business': {
        const { id, username } = this.around.account
        const bot = { id, is_bot: true, first_name: 'Bot', username }
        return { business_message: { ...message(act.text), sender_business_bot: bot } } as RawUpdate
      }
      case 'taps at a business': {
        const id = this.nextId()
        const tapped = { ...message('Card'), message_id: 7, reply_markup: this.around.card.reply_markup }
        const query = { id, from, chat_instance: id, data: act.button, message: tapped }
        return { callback_query: query } as RawUpdate
      }
      case 'summons the guest bot': {
        // A private chat of two other people has the id of one of them.
        const { business_connection_id: _, ...guest } = message(act.text)
        return { guest_message: { ...guest, guest_query_id: this.nextId() } }
      }
      case 'asks for shipping':
        return {
          shipping_query: { id: this.nextId(), from, invoice_payload: 'i', shipping_address: EMPTY_ADDRESS },
        }
      case 'buys paid media':
        return { purchased_paid_media: { from, paid_media_payload: 'i' } }
      case 'subscribes':
        return { subscription: { user: from, invoice_payload: 'i', state: 'active' } }
      case 'boosts the channel': {
        const boost = { boost_id: this.nextId(), add_date: 1, expiration_date: 2 }
        const source = { source: 'premium', user: from } as const
        return {
          chat_boost: { chat: this.around.channel.chat as Chat.ChannelChat, boost: { ...boost, source } },
        }
      }
      case 'deletes at a business':
        return {
          deleted_business_messages: { business_connection_id: CONNECTION, chat, message_ids: [1] },
        }
    }
  }

  private message<Place extends Chat>(text: string, chat: Place) {
    const command: MessageEntity = { type: 'bot_command', offset: 0, length: text.length }
    const entities = text.startsWith('/') ? { entities: [command] } : {}
    return { message_id: 1_000_000 + ++this.made, date: this.date(), chat, text, ...entities }
  }

  private nextId(): string {
    return `forged-${++this.made}`
  }

  private date(): number {
    return Math.floor(this.around.telegram.clock.now() / 1000)
  }
}
