import { asFields, type Fields } from './fields.js'
import type { UpdateKind } from './kinds.js'

/** Media with a `file_unique_id`, which is the same for the same file whoever sends it. */
const FILES = [
  'sticker',
  'animation',
  'live_photo',
  'video',
  'document',
  'audio',
  'voice',
  'video_note',
] as const
/**
 * Returns the content of an update as one text, equal for equal content; undefined if there is nothing to compare. Parts are
 * length-prefixed, so that one text cannot look like two.
 */
export function contentOf(kind: UpdateKind | undefined, payload: Fields): string | undefined {
  switch (kind) {
    case 'message':
    case 'business_message':
    case 'guest_message':
    case 'channel_post':
      return messageContent(payload)
    case 'callback_query':
      return tapContent(payload)
    case 'inline_query':
      return `inline${part(payload.query)}${part(payload.offset)}`
    default:
      return undefined
  }
}

function messageContent(message: Fields): string | undefined {
  const content = typeof message.text === 'string' ? `text${part(message.text)}` : mediaContent(message)
  if (content === undefined) return undefined
  return typeof message.caption === 'string' ? content + part(message.caption) : content
}

function mediaContent(message: Fields): string | undefined {
  for (const name of FILES) {
    const id = asFields(message[name])?.file_unique_id
    if (typeof id === 'string') return name + part(id)
  }
  const sizes = message.photo
  if (Array.isArray(sizes)) {
    // Each size has a file id of its own; the last size is the largest.
    const id = asFields(sizes.at(-1))?.file_unique_id
    if (typeof id === 'string') return `photo${part(id)}`
  }
  for (const name of TOLD.keys()) {
    const value = asFields(message[name])
    if (value !== undefined) return name + (TOLD.get(name) as Teller)(value)
  }
  return undefined
}

type Teller = (value: Fields) => string

/**
 * How to read content that is not a file. Leaves out what changes by itself (votes, ticks) and what is random (the value of a
 * dice). A venue comes together with its location, so it is looked for first.
 */
const TOLD: ReadonlyMap<string, Teller> = new Map<string, Teller>([
  ['rich_message', (rich) => leaves(rich.blocks, DEEPEST)],
  ['contact', (contact) => parts(contact, 'phone_number', 'first_name', 'last_name')],
  ['venue', (venue) => parts(venue, 'title', 'address') + place(asFields(venue.location))],
  ['location', place],
  ['dice', (dice) => part(dice.emoji)],
  ['poll', (poll) => part(poll.question) + texts(poll.options)],
  ['checklist', (checklist) => part(checklist.title) + texts(checklist.tasks)],
  ['game', (game) => parts(game, 'title', 'description')],
  // Story ids are unique only within their chat.
  ['story', (story) => part(asFields(story.chat)?.id) + part(story.id)],
])

function place(location: Fields | undefined): string {
  return location === undefined ? '' : parts(location, 'latitude', 'longitude')
}

function texts(items: unknown): string {
  if (!Array.isArray(items)) return ''
  return items.map((item) => part(asFields(item)?.text)).join('')
}

/** Telegram nests rich text at most 16 deep; anything beyond this depth is ignored. */
const DEEPEST = 64

/** Returns all texts and numbers in a value, with their names, but without file ids, which differ from message to message. */
function leaves(value: unknown, depth: number): string {
  const fields = asFields(value)
  if (fields === undefined) return part(value)
  if (depth === 0) return ''
  let told = '('
  for (const name of Object.keys(fields).sort()) {
    if (name !== 'file_id') told += part(name) + leaves(fields[name], depth - 1)
  }
  return `${told})`
}

function tapContent(query: Fields): string | undefined {
  const message = asFields(query.message)
  const inline = query.inline_message_id
  const place = typeof inline === 'string' ? inline : message?.message_id
  const button = typeof query.data === 'string' ? query.data : query.game_short_name
  if (typeof place !== 'string' && typeof place !== 'number') return undefined
  if (typeof button !== 'string') return undefined
  // Ephemeral messages all have the id 0, and chats of business accounts may have the same ids as the bot's own chats.
  return `tap${part(place)}${part(message?.ephemeral_message_id)}${part(message?.business_connection_id)}${part(button)}`
}

function parts(value: Fields, ...names: readonly string[]): string {
  let told = ''
  for (const name of names) told += part(value[name])
  return told
}

function part(value: unknown): string {
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : ''
  return ` ${text.length}:${text}`
}
