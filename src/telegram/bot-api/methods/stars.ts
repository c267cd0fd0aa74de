import { refundStars } from '../../world/money/stars.js'
import { badRequest } from '../../world/refusal.js'
import { type Methods, required } from '../call.js'

/** Methods for the bot's earnings in Telegram Stars. */
export const starMethods: Methods = {
  getMyStarBalance: ({ world, bot }) => ({ amount: world.stars.balanceOf(bot.id) }),

  getStarTransactions({ world, bot, params }) {
    const offset = Math.max(params.integer('offset') ?? 0, 0)
    const limit = Math.min(Math.max(params.integer('limit') ?? 100, 1), 100)
    return { transactions: world.stars.list(bot.id, offset, limit) }
  },

  refundStarPayment(call) {
    const { world, bot, params } = call
    const account = world.accounts.find(required(call, 'user_id', 'invalid user_id specified'))
    const chargeId = params.text('telegram_payment_charge_id') ?? ''
    if (chargeId === '') throw badRequest('CHARGE_ID_EMPTY')
    refundStars(world, bot, account, chargeId)
    return true
  },
}
