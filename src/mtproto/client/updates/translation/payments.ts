import type { tl } from '@mtcute/core'
import type { OrderInfo, ShippingAddress, Update } from 'grammy/types'
import { type Peers, type Told, userOf } from './people.js'

/** Pre-checkout and shipping queries must be answered within ten seconds, so a bridge must pass them on. */
export function checkoutOf(asked: tl.RawUpdateBotPrecheckoutQuery, peers: Peers): Told | undefined {
  const from = userOf(asked.userId, peers)
  if (from === undefined) return undefined
  return {
    pre_checkout_query: {
      id: asked.queryId.toString(),
      from,
      currency: asked.currency as NonNullable<Update['pre_checkout_query']>['currency'],
      total_amount: asked.totalAmount.toNumber(),
      invoice_payload: textOf(asked.payload),
      ...(asked.shippingOptionId !== undefined && { shipping_option_id: asked.shippingOptionId }),
      ...(asked.info !== undefined && { order_info: orderOf(asked.info) }),
    },
  }
}

export function shippingOf(asked: tl.RawUpdateBotShippingQuery, peers: Peers): Told | undefined {
  const from = userOf(asked.userId, peers)
  if (from === undefined) return undefined
  return {
    shipping_query: {
      id: asked.queryId.toString(),
      from,
      invoice_payload: textOf(asked.payload),
      shipping_address: addressOf(asked.shippingAddress),
    },
  }
}

/** The content of the message about a successful payment. */
export function paidOf(action: tl.RawMessageActionPaymentSentMe) {
  return {
    successful_payment: {
      currency: action.currency,
      total_amount: action.totalAmount.toNumber(),
      invoice_payload: textOf(action.payload),
      ...(action.shippingOptionId !== undefined && { shipping_option_id: action.shippingOptionId }),
      ...(action.info !== undefined && { order_info: orderOf(action.info) }),
      telegram_payment_charge_id: action.charge.id,
      provider_payment_charge_id: action.charge.providerChargeId,
    },
  }
}

function orderOf({ name, phone, email, shippingAddress }: tl.RawPaymentRequestedInfo): OrderInfo {
  return {
    ...(name !== undefined && { name }),
    ...(phone !== undefined && { phone_number: phone }),
    ...(email !== undefined && { email }),
    ...(shippingAddress !== undefined && { shipping_address: addressOf(shippingAddress) }),
  }
}

function addressOf(address: tl.RawPostAddress): ShippingAddress {
  return {
    country_code: address.countryIso2,
    state: address.state,
    city: address.city,
    street_line1: address.streetLine1,
    street_line2: address.streetLine2,
    post_code: address.postCode,
  }
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}
