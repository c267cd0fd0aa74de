import type { Fields } from './fields.js'

/**
 * Matches what Telegram treats as a command at the beginning of a text: the rule of match_bot_commands in
 * https://github.com/tdlib/td/blob/master/td/telegram/MessageEntity.cpp
 *
 * It also matches what only `@grammyjs/commands` treats as one, or its handlers could be reached past the guards of a command: a
 * name with an empty bot name (`/ban@ x`), a name after slashes that end at a space or an `@` (`/ /ban`), and the Kelvin sign, whose
 * lower case is a k.
 */
const COMMAND =
  /^(?:\/[@ ][^/]*)*\/([a-zA-Z0-9_\u212a]{1,64})(?:@([a-zA-Z0-9_]{3,32}))?(?!@\S|[\p{L}\p{M}\p{N}_/<>])/u
const SLASH = 47

/**
 * Returns the command that a message begins with, in lower case, if it is meant for the bot with that user name.
 *
 * @param exact Only what grammY's `bot.command()` compares: a text, as written, that Telegram has marked as a command.
 */
export function commandOf(message: Fields, username: string | undefined, exact = false): string | undefined {
  const plain = typeof message.text === 'string'
  const text = plain ? message.text : message.caption
  if (typeof text !== 'string' || text.charCodeAt(0) !== SLASH) return undefined
  const length = commandLength(plain ? message.entities : message.caption_entities)
  const match = COMMAND.exec(length === undefined ? text : text.slice(0, length))
  if (match === null || (exact && (!plain || match[0].length !== length))) return undefined
  const recipient = match[2]
  if (recipient !== undefined && recipient.toLowerCase() !== username?.toLowerCase()) return undefined
  const name = match[1] as string
  return exact ? name : name.toLowerCase()
}

/** The length of the `bot_command` entity at the beginning, which grammY uses, too; undefined if Telegram sent none. */
function commandLength(entities: unknown): number | undefined {
  if (!Array.isArray(entities)) return undefined
  for (let i = 0; i < entities.length; i++) {
    const entity = entities[i] as Fields | null | undefined
    if (entity?.type !== 'bot_command' || entity.offset !== 0) continue
    return typeof entity.length === 'number' ? entity.length : undefined
  }
  return undefined
}
