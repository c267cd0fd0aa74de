import type { ApiMethods } from 'grammy/types'
import type { BotAccount } from '../world/accounts.js'
import { describeChat, type SharedChat, type StoredMessage, type WorldChat } from '../world/chats/chats.js'
import { isIn } from '../world/chats/members.js'
import { assertNotUpgraded } from '../world/messages/speaking.js'
import { badRequest, forbidden } from '../world/refusal.js'
import type { World } from '../world/world.js'
import type { Link } from './link.js'
import type { Params } from './params.js'

/** A call, as passed to the implementation of its method. */
export interface Call {
  readonly world: World
  readonly bot: BotAccount
  readonly params: Params
  readonly link: Link
  /** Aborted when the bot closes the connection. */
  readonly signal: AbortSignal
}

type MaybePromise<T> = T | Promise<T>

/** Implementations of methods, with Telegram's names and types. */
export type Methods = {
  readonly [Name in keyof ApiMethods]?: (call: Call) => MaybePromise<ReturnType<ApiMethods[Name]>>
}

/** The chat that `chat_id` names. */
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
    // A private group is unknown to a bot that was never in it.
    if (chat === undefined || (chat.username === undefined && !chat.members.has(bot.id)))
      throw badRequest('chat not found')
    return chat
  }
  const account = world.accounts.find(id)
  if (account === undefined) throw badRequest('chat not found')
  if (account.kind === 'bot') throw forbidden("bot can't send messages to bots")
  return world.privateChat(account, bot)
}

/** The chat that `chat_id` names, where the bot can write. */
export function presentChat(call: Call, name?: string): WorldChat {
  const chat = chatOf(call, name)
  assertPresent(call, chat)
  return chat
}

/** The message of a chat that `message_id` names. */
export function messageIn(call: Call, { history }: WorldChat, otherwise: string): StoredMessage {
  const stored = history.find(required(call, 'message_id', 'message identifier is not specified'))
  if (stored === undefined) throw badRequest(otherwise)
  return stored
}

export function sharedChatOf(call: Call): SharedChat {
  const chat = chatOf(call)
  if (chat.kind === 'private') throw badRequest('method is available for supergroup and channel chats only')
  assertPresent(call, chat)
  return chat
}

/** Requires that the bot is in the chat, or that the person has started it. */
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

/** Two letters or empty, which bounds how many languages can be stored. */
export function languageIn({ params }: Call): string {
  const language = params.text('language_code') ?? ''
  if (!/^(?:[a-z]{2})?$/.test(language)) throw badRequest('invalid language code specified')
  return language
}

/** A required integer, such as a user or message id. */
export function required(call: Call, name: string, otherwise: string): number {
  const value = call.params.integer(name)
  if (value === undefined) throw badRequest(otherwise)
  return value
}
