import { randomBytes } from 'node:crypto'
import type { Message } from 'grammy/types'
import { Refusal } from '../../world/refusal.js'
import type { Methods } from '../call.js'
import { invoiceTerms } from './invoice-terms.js'
import { say } from './sending.js'

export const invoiceMethods: Methods = {
  sendInvoice(call) {
    const { invoice, payload } = invoiceTerms(call.params)
    const stored = say(call, { invoice }, { mayBeEphemeral: false })
    call.world.invoicePayloads.set(stored, payload)
    return stored.message as Message.InvoiceMessage
  },

  createInvoiceLink(call) {
    const { invoice, payload } = invoiceTerms(call.params)
    if ((call.params.integer('subscription_period') ?? 0) !== 0)
      throw new Refusal(
        501,
        'Not Implemented: the embedded Telegram has no subscriptions, and no subscription_period',
      )
    const link = `https://t.me/$${randomBytes(12).toString('base64url')}`
    const { total_amount: amount, currency } = invoice
    call.world.invoiceLinks.keep(link, { botId: call.bot.id, payload, amount, currency })
    return link
  },
}
