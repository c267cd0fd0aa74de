import type { BotCommand } from 'grammy/types'
import type { Account, BotAccount, PersonAccount } from '../accounts.js'
import { isGroup, type SharedChat, type StoredMessage, type WorldChat } from '../chats/chats.js'
import { isAdministrator, isIn } from '../chats/members.js'
import { badRequest } from '../refusal.js'
import type { World } from '../world.js'
import type { Content } from './content.js'
import { addresseeOf } from './privacy.js'

/** How long a bot may answer an ephemeral message with another one. */
const ANSWERABLE_FOR = 15_000

/** What an ephemeral message answers, if anything: a tap, or an ephemeral message. */
interface Answered {
  readonly queryId: string | undefined
  readonly replyTo: StoredMessage | undefined
}

/**
 * Returns the receiver of an ephemeral message. A bot may send one in a group: as an answer to the tap or to the ephemeral message
 * of its receiver, or as an administrator to any person who is a member
 * (https://core.telegram.org/bots/api#ephemeral-messages-and-commands).
 *
 * @throws Refusal if the bot may not send it.
 */
export function ephemeralReceiverIn(
  world: World,
  chat: WorldChat,
  bot: BotAccount,
  receiverId: number,
  { queryId, replyTo }: Answered,
): PersonAccount {
  const receiver = world.accounts.find(receiverId)
  if (receiver?.kind !== 'person') throw badRequest('user not found')
  if (!isGroup(chat)) throw badRequest('ephemeral messages can be sent only in groups')
  if (queryId !== undefined) {
    if (!world.callbackQueries.isOpen(queryId, bot.id, receiverId))
      throw badRequest('query is too old and response timeout expired or query ID is invalid')
    return receiver
  }
  if (replyTo?.receiverId === bot.id && replyTo.authorId === receiverId) return receiver
  if (!isAdministrator(world.membership(chat, bot.id))) throw badRequest('BOT_NOT_ADMIN')
  if (!isIn(world.membership(chat, receiverId))) throw badRequest('USER_NOT_PARTICIPANT')
  return receiver
}

/** The ephemeral message that a bot may answer: it was sent to the bot, within the last 15 seconds. */
export function answerableEphemeral(
  world: World,
  chat: WorldChat,
  bot: BotAccount,
  ephemeralId: number,
): StoredMessage | undefined {
  const stored = chat.history.findEphemeral(ephemeralId)
  const isAnswerable = stored?.receiverId === bot.id && world.clock.now() < stored.at + ANSWERABLE_FOR
  return isAnswerable ? stored : undefined
}

/**
 * The bot that alone receives what a person writes in a group, because it has declared this command as ephemeral, or because the
 * person replies to an ephemeral message from it.
 */
export function soleReceiverOf(
  world: World,
  chat: WorldChat,
  author: PersonAccount,
  content: Content,
  replyTo: StoredMessage | undefined,
): BotAccount | undefined {
  if (replyTo?.receiverId === author.id) return world.botsIn(chat).find(({ id }) => id === replyTo.authorId)
  const addressee = content.text === undefined ? undefined : addresseeOf(content)
  if (addressee === undefined || !isGroup(chat)) return undefined
  const [, name = ''] = /^\/(\w+)/.exec(content.text ?? '') ?? []
  return world
    .botsIn(chat)
    .filter((bot) => addressee === '' || bot.me.username.toLowerCase() === addressee)
    .find((bot) =>
      commandsFor(world, chat, author, bot).some(
        ({ command, is_ephemeral }) => is_ephemeral === true && command === name.toLowerCase(),
      ),
    )
}

/** The name under which a list of commands is stored. */
export function commandsKey(type: string, language: string, chatId?: number, userId?: unknown): string {
  return chatId === undefined ? `${type} ${language}` : `${type} ${chatId} ${userId ?? ''} ${language}`
}

/**
 * The commands of a bot that Telegram shows to a member of a group: the first list that is set, from the narrowest scope to the
 * widest, and in each the one in the member's language first
 * (https://core.telegram.org/bots/api#determining-list-of-commands).
 */
function commandsFor(
  world: World,
  chat: SharedChat,
  { id, user }: Account,
  { commands }: BotAccount,
): readonly BotCommand[] {
  const isAdmin = isAdministrator(world.membership(chat, id))
  const scopes = [
    (language: string) => commandsKey('chat_member', language, chat.id, id),
    ...(isAdmin ? [(language: string) => commandsKey('chat_administrators', language, chat.id)] : []),
    (language: string) => commandsKey('chat', language, chat.id),
    ...(isAdmin ? [(language: string) => commandsKey('all_chat_administrators', language)] : []),
    (language: string) => commandsKey('all_group_chats', language),
    (language: string) => commandsKey('default', language),
  ]
  for (const scope of scopes)
    for (const language of [user.language_code ?? '', '']) {
      const list = commands.get(scope(language))
      if (list !== undefined) return list
    }
  return []
}
