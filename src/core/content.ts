import type { UpdateKind } from './facts.js'

type Fields = Readonly<Record<string, unknown>>

/** Media that carry a `file_unique_id`, the same for the same file whoever sends it. */
const FILES = ['sticker', 'animation', 'video', 'document', 'audio', 'voice', 'video_note'] as const
/** Content that is told by a few plain fields. */
const PLAIN = ['contact', 'location', 'venue', 'dice', 'poll', 'game', 'story', 'checklist'] as const

/**
 * What an update says, as one text: equal for equal content. Parts are length-prefixed, so that no text can
 * pass for two. Undefined where there is nothing to compare.
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
  let content = ''
  if (typeof message.text === 'string') content = `text${part(message.text)}`
  else {
    for (const name of FILES) {
      const id = fieldsOf(message[name])?.file_unique_id
      if (typeof id === 'string') {
        content = `${name}${part(id)}`
        break
      }
    }
    const sizes = message.photo
    if (content === '' && Array.isArray(sizes)) {
      // Each size is a file of its own; the last is the largest.
      const id = fieldsOf(sizes.at(-1))?.file_unique_id
      if (typeof id === 'string') content = `photo${part(id)}`
    }
    for (const name of PLAIN) {
      if (content !== '') break
      const value = fieldsOf(message[name])
      if (value !== undefined) content = name + plainParts(value)
    }
  }
  if (content === '') return undefined
  return typeof message.caption === 'string' ? content + part(message.caption) : content
}

function tapContent(query: Fields): string | undefined {
  const place = query.inline_message_id ?? fieldsOf(query.message)?.message_id
  const button = query.data ?? query.game_short_name
  if (place === undefined || button === undefined) return undefined
  return `tap${part(place)}${part(button)}`
}

function plainParts(value: Fields): string {
  let parts = ''
  for (const name of Object.keys(value).sort()) {
    const field = value[name]
    if (typeof field === 'string' || typeof field === 'number') parts += part(name) + part(field)
  }
  return parts
}

function part(value: unknown): string {
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : ''
  return ` ${text.length}:${text}`
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null ? (value as Fields) : undefined
}
