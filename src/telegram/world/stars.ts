import type { StarTransaction, User } from 'grammy/types'
import type { Account, BotAccount, PersonAccount } from './accounts.js'
import { getOrMake } from './maps.js'
import { post } from './posting.js'
import { badRequest } from './refusal.js'
import type { World } from './world.js'

/** A payment to a bot in Telegram Stars. */
interface StarPayment {
  readonly chargeId: string
  readonly person: PersonAccount
  readonly amount: number
  readonly payload: string
  /** Unix time in seconds. */
  readonly date: number
  isRefunded: boolean
}

interface Entry {
  readonly payment: StarPayment
  readonly date: number
  readonly isRefund: boolean
}

/** Maximum number of transactions kept per bot. */
const KEPT_AT_MOST = 10_000

/** Payments to bots in Stars, and their refunds. */
export class StarLedger {
  readonly #entries = new Map<number, Entry[]>()

  record(botId: number, entry: Entry): void {
    const entries = getOrMake(this.#entries, botId, () => [])
    entries.push(entry)
    if (entries.length > KEPT_AT_MOST) entries.shift()
  }

  balanceOf(botId: number): number {
    return this.#of(botId).reduce(
      (sum, { payment, isRefund }) => sum + (isRefund ? -payment.amount : payment.amount),
      0,
    )
  }

  payment(botId: number, chargeId: string): StarPayment | undefined {
    return this.#of(botId).find(({ payment }) => payment.chargeId === chargeId)?.payment
  }

  /** Transactions "in chronological order" (getStarTransactions). */
  list(botId: number, offset: number, limit: number): StarTransaction[] {
    return this.#of(botId)
      .slice(offset, offset + limit)
      .map(({ payment, date, isRefund }) => {
        const partner = partnerOf(payment.person.user, payment.payload)
        return {
          // "Coincides with the identifier of the original transaction for refund transactions."
          id: payment.chargeId,
          amount: payment.amount,
          date,
          ...(isRefund ? { receiver: partner } : { source: partner }),
        }
      })
  }

  #of(botId: number): readonly Entry[] {
    return this.#entries.get(botId) ?? []
  }
}

function partnerOf(user: User, invoice_payload: string): NonNullable<StarTransaction['source']> {
  return { type: 'user', transaction_type: 'invoice_payment', user, invoice_payload }
}

/** Records a payment to a bot in Stars. */
export function creditStars(
  world: World,
  bot: BotAccount,
  payment: Omit<StarPayment, 'date' | 'isRefunded'>,
): void {
  const date = world.date()
  world.stars.record(bot.id, { payment: { ...payment, date, isRefunded: false }, date, isRefund: false })
}

/** Refunds a payment, with a service message in the private chat. */
export function refundStars(
  world: World,
  bot: BotAccount,
  account: Account | undefined,
  chargeId: string,
): void {
  if (account?.kind !== 'person') throw badRequest('user not found')
  const payment = world.stars.payment(bot.id, chargeId)
  if (payment?.person !== account) throw badRequest('CHARGE_ID_INVALID')
  if (payment.isRefunded) throw badRequest('CHARGE_ALREADY_REFUNDED')
  payment.isRefunded = true
  world.stars.record(bot.id, { payment, date: world.date(), isRefund: true })
  post(world, world.privateChat(account, bot), {
    author: bot,
    content: {
      refunded_payment: {
        currency: 'XTR',
        total_amount: payment.amount,
        invoice_payload: payment.payload,
        telegram_payment_charge_id: chargeId,
      },
    },
  })
}
