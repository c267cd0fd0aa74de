import type { Account, BotAccount } from '../accounts.js'
import { post } from '../messages/posting.js'
import { badRequest } from '../refusal.js'
import type { World } from '../world.js'
import type { StarPayment } from './star-ledger.js'

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
