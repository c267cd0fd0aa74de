import type { GuardedContext } from '../middleware/rig.js'

/** Accepts a checkout. One that is redelivered after a minute is too old, as Telegram says. */
export async function accept(ctx: GuardedContext): Promise<void> {
  if (ctx.preCheckoutQuery !== undefined) await ctx.answerPreCheckoutQuery(true).catch(() => undefined)
  if (ctx.shippingQuery !== undefined)
    await ctx.answerShippingQuery(true, { shipping_options: SHIPPING }).catch(() => undefined)
}

const SHIPPING = [{ id: 'post', title: 'By post', prices: [{ label: 'Stamp', amount: 1 }] }]
