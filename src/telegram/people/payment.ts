import { randomUUID } from 'node:crypto'
import type { Message, PreCheckoutQuery } from 'grammy/types'
import type { Duration } from '../../core/duration.js'
import type { PrivateChat } from '../world/chats/chats.js'
import { post } from '../world/messages/posting.js'
import { creditStars } from '../world/money/stars.js'
import type { CheckoutAnswer, World } from '../world/world.js'
import { AwaitedAnswer, type Patience } from './waiting.js'

/**
 * A purchase that a person pays for.
 *
 * @example
 * ```ts
 * import type { Purchase } from 'grammy-sentinel/testing'
 *
 * const purchase: Purchase = { payload: 'premium-month', amount: 100, currency: 'XTR' }
 * export { purchase }
 * ```
 */
export interface Purchase {
  /** The bot's own identifier of the purchase: `invoice_payload`. */
  readonly payload: string
  /** In the smallest unit of the currency. */
  readonly amount: number
  /** Default: XTR, Telegram Stars. */
  readonly currency?: string
}

/**
 * A payment that waits for the bot's answer.
 *
 * @example
 * ```ts
 * import type { Person, TelegramBot } from 'grammy-sentinel/testing'
 *
 * async function buys(alice: Person, bot: TelegramBot) {
 *   const payment = await alice.pays(bot, { payload: 'premium-month', amount: 100 })
 *   const answer = await payment.answer
 *   return answer.ok ? payment.receipt?.successful_payment : undefined
 * }
 * export { buys }
 * ```
 */
export class Payment {
  /** The query that the bot got. */
  readonly query: PreCheckoutQuery
  readonly #answer: AwaitedAnswer<CheckoutAnswer>
  #receipt: Message | undefined

  /** @internal */
  constructor(world: World, patience: Patience, chat: PrivateChat, purchase: Purchase) {
    const { person, bot } = chat
    const terms = {
      currency: purchase.currency ?? 'XTR',
      total_amount: purchase.amount,
      invoice_payload: purchase.payload,
    }
    this.#answer = new AwaitedAnswer(
      patience,
      `${person.user.first_name}'s payment for "${purchase.payload}"`,
    )
    const answered = (answer: CheckoutAnswer) => {
      if (answer.ok) {
        const chargeId = randomUUID()
        const { currency, total_amount: amount, invoice_payload: payload } = terms
        if (currency === 'XTR') creditStars(world, bot, { chargeId, person, amount, payload })
        this.#receipt = post(world, chat, {
          author: person,
          content: {
            successful_payment: {
              ...terms,
              telegram_payment_charge_id: chargeId,
              provider_payment_charge_id: randomUUID(),
            },
          },
        }).message
      }
      this.#answer.give(answer)
    }
    this.query = { id: world.checkoutQueries.open(bot.id, person.id, answered), from: person.user, ...terms }
    world.emit(bot, 'pre_checkout_query', this.query)
  }

  /** Resolves with the parameters of the bot's answerPreCheckoutQuery. */
  get answer(): Promise<CheckoutAnswer> {
    return this.#answer.wait()
  }

  /** Like `answer`, with a time-out of its own, in real time. */
  answeredWithin(timeout: Duration): Promise<CheckoutAnswer> {
    return this.#answer.wait(timeout)
  }

  /** The message with `successful_payment`, once the bot has answered `ok: true`. */
  get receipt(): Message | undefined {
    return this.#receipt
  }
}
