import type { InlineKeyboardMarkup, Message } from 'grammy/types'

/**
 * The content of a message, in the fields of the Bot API: a text, media or a service event.
 *
 * @example
 * ```ts
 * import type { Content } from 'grammy-sentinel/testing'
 *
 * const dice: Content = { dice: { emoji: '🎲', value: 6 } }
 * export { dice }
 * ```
 */
export type Content = Omit<Partial<Message>, 'message_id' | 'chat' | 'from' | 'date' | 'sender_chat'>

/** The message that a result of an inline query turns into when picked. */
export interface InlineChoice {
  readonly id: string
  readonly content: Content
  /** Of an invoice: the bot's own identifier of the purchase. */
  readonly payload?: string | undefined
  readonly markup?: InlineKeyboardMarkup | undefined
}
