import type { MessageEntity } from 'grammy/types'
import { badRequest } from '../refusal.js'
import { type FindUser, linkEntity, type Place } from './links.js'

export interface Parsed {
  readonly text: string
  readonly entities: MessageEntity[]
}

/** The language directly after three backquotes; a line break following it is skipped. */
const LANGUAGE = /[^ \t\r\n\0\v`]+(?=[ \t\r\n\v])/y
const LINE_BREAK = /\n\r|\r\n|\n|\r/y

/** The language after the backquotes that end at `from`, and the position where the code begins. */
export function codeHead(
  source: string,
  from: number,
): { readonly language: string; readonly start: number } {
  const language = matchAt(LANGUAGE, source, from)
  const start = from + language.length
  return { language, start: start + matchAt(LINE_BREAK, source, start).length }
}

export function matchAt(sticky: RegExp, source: string, from: number): string {
  sticky.lastIndex = from
  return sticky.exec(source)?.[0] ?? ''
}

export function byteOffset(source: string, index: number): number {
  return Buffer.byteLength(source.slice(0, index))
}

/**
 * Parses Telegram's original Markdown (`parse_mode: 'Markdown'`). Entities do not nest; only `_`, `*`, backquote and `[` can be
 * escaped, and only outside of entities.
 *
 * @throws Refusal in Telegram's words: "can't parse entities: …", with offsets in UTF-8 bytes.
 */
export function parseMarkdown(source: string, findUser: FindUser): Parsed {
  let text = ''
  const entities: MessageEntity[] = []
  let at = 0
  while (at < source.length) {
    const char = source[at] as string
    if (char === '\\' && /^[_*`[]/.test(source[at + 1] ?? '')) {
      text += source[at + 1]
      at += 2
      continue
    }
    if (!'_*`['.includes(char)) {
      text += char
      at++
      continue
    }
    const fence = source.startsWith('```', at) ? '```' : char === '[' ? ']' : char
    const head = fence === '```' ? codeHead(source, at + 3) : { language: '', start: at + 1 }
    const end = source.indexOf(fence, head.start)
    if (end === -1)
      throw badRequest(
        `can't parse entities: Can't find end of the entity starting at byte offset ${byteOffset(source, at)}`,
      )
    const inside = source.slice(head.start, end)
    const place = { offset: text.length, length: inside.length }
    text += inside
    at = end + fence.length
    let entity: MessageEntity | undefined
    if (char === '[') {
      let url = inside
      if (source[at] === '(') {
        const closing = source.indexOf(')', at)
        url = source.slice(at + 1, closing === -1 ? undefined : closing)
        at = closing === -1 ? source.length : closing + 1
      }
      entity = linkEntity(place, url, findUser)
    } else if (place.length > 0) {
      entity = plainEntity(place, fence, head.language)
    }
    if (entity !== undefined) entities.push(entity)
  }
  return { text, entities }
}

function plainEntity(place: Place, fence: string, language: string): MessageEntity {
  if (fence === '```') return { ...place, type: 'pre', ...(language !== '' && { language }) }
  return { ...place, type: fence === '_' ? 'italic' : fence === '*' ? 'bold' : 'code' }
}
