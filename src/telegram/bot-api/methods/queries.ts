import type { InlineQueryResultsButton } from 'grammy/types'
import { badRequest } from '../../world/refusal.js'
import type { CallbackAnswer, CheckoutAnswer, InlineAnswer, ShippingAnswer } from '../../world/world.js'
import type { Methods } from '../call.js'
import { readResults } from './inline-results.js'

export const queryMethods: Methods = {
  answerCallbackQuery({ world, bot, params }) {
    const text = params.text('text')
    if (text !== undefined && text.length > 200) throw badRequest('MESSAGE_TOO_LONG')
    const url = params.has('url') ? params.text('url') : undefined
    if (url !== undefined && !leadsTo(bot.me.username, url)) throw badRequest('URL_INVALID')
    const cacheTime = params.integer('cache_time')
    const answer: CallbackAnswer = {
      ...(text !== undefined && { text }),
      ...(params.has('show_alert') && { show_alert: params.flag('show_alert') }),
      ...(url !== undefined && { url }),
      ...(cacheTime !== undefined && { cache_time: cacheTime }),
    }
    return world.callbackQueries.answer(params.text('callback_query_id') ?? '', bot.id, answer)
  },

  answerInlineQuery(call) {
    const { world, bot, params } = call
    const choices = readResults(call)
    if (Buffer.byteLength(params.text('next_offset') ?? '') > 64) throw badRequest('NEXT_OFFSET_INVALID')
    const button = params.object('button') as InlineQueryResultsButton | undefined
    const start = button?.start_parameter
    if (start !== undefined) checkStart(String(start))
    const cacheTime = params.integer('cache_time')
    const nextOffset = params.text('next_offset')
    const answer: InlineAnswer = {
      results: params.objects('results') ?? [],
      ...(cacheTime !== undefined && { cache_time: cacheTime }),
      ...(params.has('is_personal') && { is_personal: params.flag('is_personal') }),
      ...(nextOffset !== undefined && { next_offset: nextOffset }),
      ...(button !== undefined && { button }),
    }
    world.inlineChoices.set(answer, choices)
    return world.inlineQueries.answer(params.text('inline_query_id') ?? '', bot.id, answer)
  },

  answerPreCheckoutQuery({ world, bot, params }) {
    const ok = params.flag('ok')
    const message = params.text('error_message')
    if (!ok && (message === undefined || message === '')) throw badRequest('ERROR_TEXT_EMPTY')
    const answer: CheckoutAnswer = { ok, ...(message !== undefined && { error_message: message }) }
    return world.checkoutQueries.answer(params.text('pre_checkout_query_id') ?? '', bot.id, answer)
  },

  answerShippingQuery({ world, bot, params }) {
    const ok = params.flag('ok')
    const options = params.objects('shipping_options')
    if (ok && (options === undefined || options.length === 0))
      throw badRequest('there must be at least one shipping option')
    const message = params.text('error_message')
    if (!ok && (message === undefined || message === '')) throw badRequest('ERROR_TEXT_EMPTY')
    const answer: ShippingAnswer = {
      ok,
      ...(options !== undefined && { shipping_options: options }),
      ...(message !== undefined && { error_message: message }),
    }
    return world.shippingQueries.answer(params.text('shipping_query_id') ?? '', bot.id, answer)
  },
}

/** Without a game, only links to the bot itself are allowed: "you may use links like t.me/your_bot?start=XXXX". */
function leadsTo(username: string, url: string): boolean {
  const link =
    /^(?:https?:\/\/)?(?:t|telegram)\.me\/(\w+)\/?(?:\?|$)/i.exec(url) ??
    /^tg:(?:\/\/)?resolve\/?\?(?:[^#]*&)?domain=(\w+)(?:[&#]|$)/i.exec(url)
  return link?.[1]?.toLowerCase() === username.toLowerCase()
}

/** Refuses start parameters that no link can carry, in the words of TDLib (InlineQueriesManager.cpp). */
function checkStart(parameter: string): void {
  if (parameter === '') throw badRequest("can't use empty start_parameter")
  if (parameter.length > 64) throw badRequest('too long start_parameter specified')
  if (!/^[\w-]+$/.test(parameter)) throw badRequest('unallowed characters in start_parameter are used')
}
