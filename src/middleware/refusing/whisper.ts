import type { Context } from 'grammy'
import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Facts } from '../../core/facts.js'
import { setNewest } from '../../core/maps.js'
import { MOST_GROUPS } from './group-notices.js'
import { inTopic } from './in-topic.js'
import { refusalCode } from './refusal-code.js'

/** Until when a bot sends no ephemeral messages to a group, by the ids of both. */
export type PlainTimes = Map<string, Ms>

/** How long a bot that cannot send ephemeral messages to a group does not try it again. */
const PLAIN_FOR: Ms = 600_000
/** Refusals that a plain message would meet as well. */
const ANYHOW = /topic|thread|rights|chat (not|was)/i
/** Refusals that concern the bot and the chat. Others may concern this receiver only, such as somebody who is no member. */
const OF_CHAT = /admin|ephemeral/i

/** Options of a silent message for one user only. The answer to an ephemeral message names it: this allows every bot to send it. */
export function onlyFor(ctx: Context, receiver: number) {
  const answered = ctx.msg?.ephemeral_message_id
  return {
    ...inTopic(ctx),
    disable_notification: true,
    ephemeral_message_parameters: { receiver_user_id: receiver },
    ...(answered !== undefined && { reply_parameters: { ephemeral_message_id: answered } }),
  }
}

/** Whether to try an ephemeral message to the actor of an update. */
export function mayWhisper(
  ctx: Context,
  { actorKind, chatId }: Facts,
  plainUntil: PlainTimes,
  now: Ms,
): boolean {
  const isAnswer = ctx.msg?.ephemeral_message_id !== undefined
  return actorKind === 'user' && (isAnswer || now >= (plainUntil.get(`${ctx.me.id} ${chatId}`) ?? now))
}

/**
 * Sends a message that only one member of a group sees. Returns false if that is impossible and a plain message may be sent
 * instead: never as the answer to an ephemeral message, because the others cannot see what it answers.
 */
export async function whisper(
  ctx: Context,
  facts: Facts,
  text: string,
  plainUntil: PlainTimes,
  clock: Clock,
): Promise<boolean> {
  const { actorId, chatId } = facts
  const isAnswer = ctx.msg?.ephemeral_message_id !== undefined
  if (!mayWhisper(ctx, facts, plainUntil, clock())) return isAnswer
  const keepPlain = () => setNewest(plainUntil, `${ctx.me.id} ${chatId}`, clock() + PLAIN_FOR, MOST_GROUPS)
  try {
    const sent = await ctx.api.sendMessage(chatId as number, text, onlyFor(ctx, actorId as number))
    // A Bot API server that does not know the parameter ignores it: everybody sees the message.
    if (sent?.ephemeral_message_id === undefined) keepPlain()
    return true
  } catch (error) {
    if (isAnswer || refusalCode(error) !== 400) throw error
    const { message } = error as Error
    if (OF_CHAT.test(message)) keepPlain()
    else if (ANYHOW.test(message)) throw error
    return false
  }
}
