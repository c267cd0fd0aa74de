import { createHash } from 'node:crypto'
import type { CallbackQuery, InlineKeyboardButton } from 'grammy/types'
import type { Duration } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import type { PersonAccount } from '../world/accounts.js'
import { describeChat, type StoredMessage } from '../world/chats/chats.js'
import { inlineIdOf } from '../world/messages/inline.js'
import type { CallbackAnswer, World } from '../world/world.js'
import { AwaitedAnswer, type Patience } from './waiting.js'

/**
 * A tap on an inline keyboard button, sent to the bot.
 *
 * @example
 * ```ts
 * import type { Message } from 'grammy/types'
 * import type { Person, TelegramBot } from 'grammy-sentinel/testing'
 *
 * async function buys(alice: Person, bot: TelegramBot, offer: Message) {
 *   const tap = await alice.to(bot).taps(offer, 'Buy')
 *   const answer = await tap.answer
 *   return answer.text
 * }
 * export { buys }
 * ```
 */
export class Tap {
  /** The query that the bot got. */
  readonly query: CallbackQuery
  readonly #answer: AwaitedAnswer<CallbackAnswer>

  /** @internal */
  constructor(world: World, patience: Patience, actor: PersonAccount, stored: StoredMessage, wanted: string) {
    const button = buttonOf(stored, wanted)
    const bot = world.accounts.find(stored.viaBotId ?? stored.authorId)
    const inlineId = inlineIdOf(world, stored)
    if (bot?.kind !== 'bot')
      throw new SentinelError(
        'telegram.invalid',
        `tap ${JSON.stringify(wanted)}: the message is not a bot's.`,
      )
    this.#answer = new AwaitedAnswer(
      patience,
      `${actor.user.first_name}'s tap on ${JSON.stringify(button.text)}`,
    )
    this.query = {
      id: world.callbackQueries.open(bot.id, actor.id, this.#answer.give),
      from: actor.user,
      ...(inlineId === undefined ? { message: stored.message } : { inline_message_id: inlineId }),
      chat_instance: createHash('sha256')
        .update(String(describeChat(stored.chat).id))
        .digest('hex')
        .slice(0, 16),
      data: button.callback_data,
    }
    world.emit(bot, 'callback_query', this.query)
  }

  /**
   * Resolves with the parameters of the bot's answerCallbackQuery. Waits for at most the `patience` option (two seconds by
   * default), counted from reading this property.
   */
  get answer(): Promise<CallbackAnswer> {
    return this.#answer.wait()
  }

  /** Like `answer`, with a time-out of its own, in real time. */
  answeredWithin(timeout: Duration): Promise<CallbackAnswer> {
    return this.#answer.wait(timeout)
  }

  /** Whether the bot has answered yet. */
  get answered(): boolean {
    return this.#answer.given !== undefined
  }
}

function buttonOf(stored: StoredMessage, wanted: string): InlineKeyboardButton.CallbackButton {
  const buttons = stored.message.reply_markup?.inline_keyboard.flat() ?? []
  const callbacks = buttons.filter((button) => 'callback_data' in button)
  const found =
    callbacks.find((button) => button.text === wanted) ??
    callbacks.find((button) => button.callback_data === wanted)
  if (found !== undefined) return found
  const known = callbacks.map((button) => JSON.stringify(button.text)).join(', ') || 'none'
  throw new SentinelError(
    'telegram.invalid',
    `tap ${JSON.stringify(wanted)}: the message has no such button. Buttons with callback data: ${known}.`,
  )
}
