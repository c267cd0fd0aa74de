import type { Context } from 'grammy'
import type { InlineKeyboardMarkup } from 'grammy/types'
import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Facts } from '../../core/facts.js'
import { setNewest } from '../../core/maps.js'
import { MOST_GROUPS } from './group-notices.js'
import { inTopic } from './in-topic.js'
import { refusalCode } from './refusal-code.js'

/** Until when a bot sends no ephemeral messages to a group, by the ids of both, or to any group, by the id of the bot. */
export type PlainTimes = Map<string, Ms>

/** How long a bot that cannot send ephemeral messages does not try it again. */
const PLAIN_FOR: Ms = 600_000
/** Refusals that a plain message would meet as well. */
const ANYHOW = /topic|thread|rights|chat (not|was)/i
/** Refusals that concern the bot and the chat. Others may concern this receiver only, such as somebody who is no member. */
const OF_CHAT = /admin|ephemeral/i

/**
 * Sends a silent message that only one member of a group sees, with `more` options. Returns false if the Bot API server does not
 * know such messages and sent it to everybody; then calls `seenByAll`, and deletes the answer to an ephemeral message.
 */
export async function sendOnlyTo(
  ctx: Context,
  chat: number,
  receiver: number,
  text: string,
  more: { readonly reply_markup?: InlineKeyboardMarkup },
  seenByAll?: () => void,
): Promise<boolean> {
  const answered = ctx.msg?.ephemeral_message_id
  const send = (reply?: { readonly reply_parameters: object }) =>
    ctx.api.sendMessage(chat, text, {
      ...inTopic(ctx),
      disable_notification: true,
      ephemeral_message_parameters: { receiver_user_id: receiver },
      ...more,
      ...reply,
    })
  const sending =
    answered === undefined
      ? send()
      : // Every bot may answer within 15 seconds if it names what it answers. Later only an administrator may, without the name.
        send({ reply_parameters: { ephemeral_message_id: answered } }).catch((error) => {
          if (refusalCode(error) !== 400) throw error
          // Without the name, other bots are refused for not being administrators, whatever the first reason was.
          return send().catch((second) => {
            throw refusalCode(second) === 400 ? error : second
          })
        })
  const sent = await sending
  // An API that sends nothing, such as in a dry run, may return nothing.
  if (sent?.message_id === undefined || sent.ephemeral_message_id !== undefined) return true
  seenByAll?.()
  if (answered !== undefined) await ctx.api.deleteMessage(chat, sent.message_id)
  return false
}

/** Whether to try an ephemeral message to the actor of an update. */
export function mayNotifyPrivately(
  ctx: Context,
  { actorKind, chatId }: Facts,
  plainUntil: PlainTimes,
  now: Ms,
): boolean {
  const isAnswer = ctx.msg?.ephemeral_message_id !== undefined
  const isPlain = (place: string) => now < (plainUntil.get(place) ?? now)
  const { id } = ctx.me
  return actorKind === 'user' && !isPlain(`${id}`) && (isAnswer || !isPlain(`${id} ${chatId}`))
}

/**
 * Sends a message that only one member of a group sees. Returns false if that is impossible and a plain message may be sent
 * instead: never as the answer to an ephemeral message, because the others cannot see what it answers.
 */
export async function notifyPrivately(
  ctx: Context,
  facts: Facts,
  text: string,
  plainUntil: PlainTimes,
  clock: Clock,
  failed: (error: unknown) => void,
): Promise<boolean> {
  const { actorId, chatId } = facts
  const isAnswer = ctx.msg?.ephemeral_message_id !== undefined
  if (!mayNotifyPrivately(ctx, facts, plainUntil, clock())) return isAnswer
  const bot = `${ctx.me.id}`
  const keepPlain = (place: string) => setNewest(plainUntil, place, clock() + PLAIN_FOR, MOST_GROUPS)
  let isSent = false
  const seenByAll = (): void => {
    isSent = true
    keepPlain(bot)
  }
  try {
    await sendOnlyTo(ctx, chatId as number, actorId as number, text, {}, seenByAll)
    return true
  } catch (error) {
    // It could not be deleted, which is no reason to send it again.
    if (isSent) {
      failed(error)
      return true
    }
    if (isAnswer || refusalCode(error) !== 400) throw error
    const { message } = error as Error
    if (OF_CHAT.test(message)) keepPlain(`${bot} ${chatId}`)
    else if (ANYHOW.test(message)) throw error
    return false
  }
}
