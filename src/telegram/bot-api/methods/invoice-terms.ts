import type { Invoice } from 'grammy/types'
import { badRequest } from '../../world/refusal.js'
import type { Params } from '../params.js'

const STARS = 'XTR'
/**
 * The currencies of ISO 4217 that this Node.js knows. Telegram accepts fewer, and sets a least amount for each; both change with
 * time, and are not checked.
 */
const CURRENCIES = new Set(Intl.supportedValuesOf('currency'))

/** What an invoice asks for, and the bot's own identifier of the purchase. */
interface InvoiceTerms {
  readonly invoice: Invoice
  readonly payload: string
}

/** Reads an invoice from the parameters of a call, or from an InputInvoiceMessageContent. */
export function invoiceTerms(params: Params): InvoiceTerms {
  const title = text(params, 'title', 32, 'PRODUCT_TITLE_INVALID')
  const description = text(params, 'description', 255, 'PRODUCT_DESCRIPTION_INVALID')
  const payload = params.text('payload') ?? ''
  if (payload === '' || Buffer.byteLength(payload) > 128) throw badRequest('INVOICE_PAYLOAD_INVALID')
  const currency = params.text('currency') ?? ''
  if (currency !== STARS && !CURRENCIES.has(currency)) throw badRequest('CURRENCY_INVALID')
  const prices = params.objects('prices') ?? []
  const total = prices.reduce((sum, { amount }) => sum + Number(amount), 0)
  if (prices.length === 0 || !Number.isSafeInteger(total) || total <= 0)
    throw badRequest('CURRENCY_TOTAL_AMOUNT_INVALID')
  checkTips(params)
  // Payments in Telegram Stars need no provider; others do.
  if (currency === STARS && prices.length !== 1) throw badRequest('STARS_INVOICE_INVALID')
  if (currency !== STARS && !params.has('provider_token')) throw badRequest('PAYMENT_PROVIDER_INVALID')
  const invoice = {
    title,
    description,
    start_parameter: params.text('start_parameter') ?? '',
    currency,
    total_amount: total,
  }
  return { invoice, payload }
}

/** The highest amount that TDLib accepts (check_currency_amount), in the smallest units of a currency. */
const MOST_MONEY = 999_999_999_999

/** Checks tips like process_input_message_invoice of TDLib (InputInvoice.cpp). Whether they are in order is checked by the server. */
function checkTips(params: Params): void {
  const most = params.integer('max_tip_amount') ?? 0
  if (most < 0 || most > MOST_MONEY) throw badRequest('invalid max_tip_amount of the currency specified')
  const tips = (params.list('suggested_tip_amounts') ?? []).map(Number)
  if (!tips.every(Number.isInteger)) throw badRequest("can't parse suggested tip amount as Number")
  for (const tip of tips) {
    if (tip <= 0) throw badRequest('suggested tip amount must be positive')
    if (tip > most) throw badRequest("suggested tip amount can't be bigger than max_tip_amount")
  }
  if (tips.length > 4) throw badRequest('there can be at most 4 suggested tip amounts')
  // The server's own text for this is not known.
  if (tips.some((tip, nth) => nth > 0 && tip <= (tips[nth - 1] as number)))
    throw badRequest('suggested tip amounts must be in a strictly increasing order')
}

function text(params: Params, name: string, longest: number, otherwise: string): string {
  const value = params.text(name)?.trim() ?? ''
  if (value === '' || value.length > longest) throw badRequest(otherwise)
  return value
}
