import type { Message } from 'grammy/types'
import type { BotAccount } from '../accounts.js'
import { isGroup, type SharedChat, type StoredMessage } from '../chats/chats.js'
import { isAdministrator } from '../chats/members.js'
import type { World } from '../world.js'
import type { Content } from './content.js'

/**
 * Whether a bot in privacy mode gets a group message: commands addressed to it, commands without an addressee if it was the last
 * bot to write there, messages sent by way of it, and replies to any of these or to the bot
 * (https://core.telegram.org/bots/features#privacy-mode). Administrators get everything.
 */
export function isMeantFor(world: World, bot: BotAccount, stored: StoredMessage): boolean {
  const { chat } = stored
  if (!isGroup(chat) || bot.me.can_read_all_group_messages) return true
  if (isAdministrator(world.membership(chat, bot.id))) return true
  return concerns(chat, bot, stored.message)
}

function concerns(chat: SharedChat, bot: BotAccount, message: Message): boolean {
  for (let asked: Message | undefined = message; asked !== undefined; ) {
    if (asked.via_bot?.id === bot.id) return true
    const addressee = addresseeOf(asked)
    if (addressee === bot.me.username.toLowerCase()) return true
    if (addressee === '' && asked === message && chat.lastBotId === bot.id) return true
    const replied: StoredMessage | undefined = chat.history.find(asked.reply_to_message?.message_id ?? 0)
    // Every message in a topic formally replies to the one that opened the topic; that does not count as a reply.
    if (replied?.message.forum_topic_created !== undefined) return false
    if (replied?.authorId === bot.id) return true
    asked = replied?.message
  }
  return false
}

/** The bot named in a command, in lower case; empty if the command names none, undefined if there is no command. */
export function addresseeOf({ text, caption, entities, caption_entities }: Content): string | undefined {
  const command = (entities ?? caption_entities)?.find(
    ({ type, offset }) => type === 'bot_command' && offset === 0,
  )
  if (command === undefined) return undefined
  return (text ?? caption ?? '').slice(0, command.length).split('@')[1]?.toLowerCase() ?? ''
}
