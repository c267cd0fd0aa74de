import type { ApiMethods } from 'grammy/types'
import type { BotAccount } from '../world/accounts.js'
import { describeChat, type SharedChat, type WorldChat } from '../world/chats.js'
import { isIn } from '../world/members.js'
import { badRequest, forbidden } from '../world/refusal.js'
import { assertNotUpgraded } from '../world/speaking.js'
import type { World } from '../world/world.js'
import type { Link } from './link.js'
import type { Params } from './params.js'

/** One call of a method, as the method sees it. */
export interface Call {
  readonly world: World
  readonly bot: BotAccount
  readonly params: Params
  readonly link: Link
  /** Aborted when the bot hangs up. */
  readonly signal: AbortSignal
}

type MaybePromise<T> = T | Promise<T>

/** A group of methods: named and typed as Telegram does. */
export type Methods = {
  readonly [Name in keyof ApiMethods]?: (call: Call) => MaybePromise<ReturnType<ApiMethods[Name]>>
}

/** The chat that `chat_id` names, as far as the bot knows it. */
export function chatOf(call: Call, name = 'chat_id'): WorldChat {
  const { world, bot, params } = call
  const given = params.text(name)?.trim()
  if (given === undefined || given === '') throw badRequest('chat_id is empty')
  if (given.startsWith('@')) {
    const chat = world.sharedChatByName(given.slice(1))
    if (chat === undefined) throw badRequest('chat not found')
    return chat
  }
  const id = Number(given)
  if (id < 0) {
    const chat = world.sharedChat(id)
    // A bot that was never there does not know a private group.
    if (chat === undefined || (chat.username === undefined && !chat.members.has(bot.id)))
      throw badRequest('chat not found')
    return chat
  }
  const account = world.accounts.find(id)
  if (account === undefined) throw badRequest('chat not found')
  if (account.kind === 'bot') throw forbidden("bot can't send messages to bots")
  return world.privateChat(account, bot)
}

export function sharedChatOf(call: Call): SharedChat {
  const chat = chatOf(call)
  if (chat.kind === 'private') throw badRequest('method is available for supergroup and channel chats only')
  assertPresent(call, chat)
  return chat
}

/** The bot must be in the chat, or must have been let in by the person. */
export function assertPresent({ world, bot }: Call, chat: WorldChat): void {
  if (chat.kind === 'private') {
    if (chat.blocked) throw forbidden('bot was blocked by the user')
    if (!chat.started && !world.asksToJoin(chat.person.id, bot.id))
      throw forbidden("bot can't initiate conversation with a user")
    return
  }
  assertNotUpgraded(chat)
  const membership = world.membership(chat, bot.id)
  if (membership.status === 'kicked')
    throw forbidden(`bot was kicked from the ${describeChat(chat).type} chat`)
  if (!isIn(membership)) throw forbidden(`bot is not a member of the ${describeChat(chat).type} chat`)
}

/** Two letters or none, so that there are only so many. */
export function languageIn({ params }: Call): string {
  const language = params.text('language_code') ?? ''
  if (!/^(?:[a-z]{2})?$/.test(language)) throw badRequest('invalid language code specified')
  return language
}

/** A required whole number, such as a user or message id. */
export function required(call: Call, name: string, otherwise: string): number {
  const value = call.params.integer(name)
  if (value === undefined) throw badRequest(otherwise)
  return value
}
