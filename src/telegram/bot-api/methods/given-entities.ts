import type { MessageEntity } from 'grammy/types'
import { badRequest } from '../../world/refusal.js'
import { type FindUser, linkEntity, type Place, wrongUrl } from '../../world/text/links.js'

type Fields = Readonly<Record<string, unknown>>

const PARSING = "can't parse MessageEntity: "

/** Entities that need no further fields. */
const PLAIN: ReadonlySet<string> = new Set([
  'bold',
  'italic',
  'underline',
  'strikethrough',
  'spoiler',
  'code',
  'blockquote',
  'expandable_blockquote',
])

/** Entities that Telegram detects by itself and ignores in calls. */
const FOUND: ReadonlySet<string> = new Set([
  'mention',
  'hashtag',
  'cashtag',
  'bot_command',
  'url',
  'email',
  'phone_number',
  'bank_card_number',
])

/**
 * Reads entities given with a text, like get_text_entity of tdlib/telegram-bot-api (Client.cpp): unknown fields are ignored, and
 * of a mentioned user only the id is used.
 *
 * @throws Refusal in Telegram's words.
 */
export function readEntities(given: readonly unknown[], findUser: FindUser): MessageEntity[] {
  return given.flatMap((entity) => {
    if (typeof entity !== 'object' || entity === null || Array.isArray(entity))
      throw badRequest(`${PARSING}expected an Object`)
    return readEntity(entity as Fields, findUser) ?? []
  })
}

function readEntity(given: Fields, findUser: FindUser): MessageEntity | undefined {
  const place = { offset: Number(wholeIn(given, 'offset')), length: Number(wholeIn(given, 'length')) }
  const type = textIn(given, 'type')
  if (PLAIN.has(type)) return { ...place, type: type as 'bold' }
  if (FOUND.has(type)) return undefined
  const read = KINDS.get(type)
  if (read === undefined)
    throw badRequest(`${PARSING}${type === '' ? 'Type is not specified' : 'Unsupported type specified'}`)
  return read(given, place, findUser)
}

type Read = (given: Fields, place: Place, findUser: FindUser) => MessageEntity | undefined

const KINDS: ReadonlyMap<string, Read> = new Map<string, Read>([
  ['pre', preIn],
  ['text_link', linkIn],
  ['text_mention', mentionIn],
  ['custom_emoji', emojiIn],
  ['date_time', dateTimeIn],
])

function preIn(given: Fields, place: Place): MessageEntity {
  const language = given.language === undefined ? '' : textIn(given, 'language')
  return { ...place, type: 'pre', ...(language !== '' && { language }) }
}

function linkIn(given: Fields, place: Place, findUser: FindUser): MessageEntity | undefined {
  const url = textIn(given, 'url')
  const wrong = wrongUrl(url)
  if (wrong !== undefined) throw badRequest(`entity URL '${url}' is invalid: ${wrong}`)
  return linkEntity(place, url, findUser)
}

/** Mentions of unknown users are dropped. */
function mentionIn({ user: given }: Fields, place: Place, findUser: FindUser): MessageEntity | undefined {
  if (given === undefined) throw badRequest(`${PARSING}Can't find field "user"`)
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw badRequest(`${PARSING}Field "user" must be of type Object`)
  const user = findUser(Number(wholeIn(given as Fields, 'id')))
  return user && { ...place, type: 'text_mention', user }
}

function emojiIn(given: Fields, place: Place): MessageEntity {
  return { ...place, type: 'custom_emoji', custom_emoji_id: wholeIn(given, 'custom_emoji_id') }
}

type DateTimeFormat = MessageEntity.DateTimeMessageEntity['date_time_format']

/** Normalizes the format: day of the week, then date, then time, each in its short or long form. */
function dateTimeIn(given: Fields, place: Place): MessageEntity {
  const unix_time = Number(wholeIn(given, 'unix_time'))
  const format = given.date_time_format === undefined ? '' : textIn(given, 'date_time_format')
  const isRelative = format.toLowerCase() === 'r'
  if (!isRelative && !/^[tdw]*$/i.test(format))
    throw badRequest(`${PARSING}Invalid date-time format specified`)
  const last = (wanted: RegExp) => [...format].findLast((letter) => wanted.test(letter)) ?? ''
  const settled = isRelative ? 'r' : last(/w/i).toLowerCase() + last(/d/i) + last(/t/i)
  return { ...place, type: 'date_time', unix_time, date_time_format: settled as DateTimeFormat }
}

/** A string field; numbers are accepted, too. */
function textIn(given: Fields, name: string): string {
  const value = given[name]
  if (value === undefined) throw badRequest(`${PARSING}Can't find field "${name}"`)
  if (typeof value !== 'string' && typeof value !== 'number')
    throw badRequest(`${PARSING}Field "${name}" must be of type String`)
  return String(value)
}

/** An integer field; numeric strings are accepted, too. */
function wholeIn(given: Fields, name: string): string {
  const value = given[name]
  if (value === undefined) throw badRequest(`${PARSING}Can't find field "${name}"`)
  if (typeof value !== 'string' && typeof value !== 'number')
    throw badRequest(`${PARSING}Field "${name}" must be a Number`)
  if (!/^(?:0|-?[1-9]\d{0,18})$/.test(String(value)))
    throw badRequest(`${PARSING}Field "${name}" must be a valid Number`)
  return String(value)
}
