import type { StarTransaction, User } from 'grammy/types'
import { getOrInsert } from '../../../core/maps.js'
import type { PersonAccount } from '../accounts.js'

/** A payment to a bot in Telegram Stars. */
export interface StarPayment {
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
    const entries = getOrInsert(this.#entries, botId, () => [])
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
