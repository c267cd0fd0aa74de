import type { MessageEntity } from 'grammy/types'
import { type FindUser, linkEntity } from './links.js'
import { badRequest } from './refusal.js'

type Simple = 'bold' | 'italic' | 'underline' | 'strikethrough' | 'spoiler' | 'blockquote' | 'code'

const TAGS = new Map<string, Simple | 'pre' | 'link' | 'span' | 'emoji'>([
  ['b', 'bold'],
  ['strong', 'bold'],
  ['i', 'italic'],
  ['em', 'italic'],
  ['u', 'underline'],
  ['ins', 'underline'],
  ['s', 'strikethrough'],
  ['strike', 'strikethrough'],
  ['del', 'strikethrough'],
  ['tg-spoiler', 'spoiler'],
  ['blockquote', 'blockquote'],
  ['code', 'code'],
  ['pre', 'pre'],
  ['a', 'link'],
  ['span', 'span'],
  ['tg-emoji', 'emoji'],
  ['tg-time', 'span'],
])
const NAMED = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['quot', '"'],
])

interface OpenTag {
  readonly name: string
  readonly attributes: ReadonlyMap<string, string>
  readonly offset: number
}

/**
 * Reads Telegram's HTML into text and entities.
 *
 * @throws Refusal as Telegram puts it: "can't parse entities: …", with offsets in UTF-8 bytes.
 */
export function parseHtml(source: string, findUser: FindUser): { text: string; entities: MessageEntity[] } {
  let text = ''
  const entities: MessageEntity[] = []
  const open: OpenTag[] = []
  const languages = new Map<MessageEntity, string>()
  const bytesAt = (index: number) => Buffer.byteLength(source.slice(0, index))
  const fail = (what: string) => badRequest(`can't parse entities: ${what}`)
  let at = 0
  while (at < source.length) {
    const char = source[at] as string
    if (char === '&') {
      const reference = /^&(?:#(\d{1,7})|#x([\da-f]{1,6})|(lt|gt|amp|quot));?/i.exec(
        source.slice(at, at + 12),
      )
      if (reference !== null) {
        const [whole, decimal, hexadecimal, name] = reference
        text += name === undefined ? character(decimal, hexadecimal) : NAMED.get(name.toLowerCase())
        at += whole.length
        continue
      }
    }
    if (char !== '<') {
      text += char
      at++
      continue
    }
    const end = source.indexOf('>', at)
    if (end === -1) throw fail(`Unclosed start tag at byte offset ${bytesAt(at)}`)
    const inside = source.slice(at + 1, end)
    if (inside.startsWith('/')) {
      const tag = open.pop()
      if (tag === undefined) throw fail(`Unexpected end tag at byte offset ${bytesAt(at)}`)
      const name = inside.slice(1).trim().toLowerCase()
      if (name !== '' && name !== tag.name)
        throw fail(
          `Unmatched end tag at byte offset ${bytesAt(at)}, expected "</${tag.name}>", found "</${name}>"`,
        )
      const entity = entityOf(tag, text.length, findUser)
      const last = entities.at(-1)
      const isSame = last?.offset === entity?.offset && last?.length === entity?.length
      // A code with a language and nothing around it in a pre: both are one.
      if (entity?.type === 'pre' && last?.type === 'code' && isSame) {
        const language = languages.get(last)
        entities[entities.length - 1] = language === undefined ? entity : { ...entity, language }
      } else if (entity !== undefined) entities.push(entity)
      const language = /^language-(.+)$/.exec(tag.attributes.get('class') ?? '')?.[1]
      if (entity?.type === 'code' && language !== undefined) languages.set(entity, language)
    } else {
      const name = /^[^\s/]*/.exec(inside)![0].toLowerCase()
      if (!TAGS.has(name)) throw fail(`Unsupported start tag "${name}" at byte offset ${bytesAt(at)}`)
      open.push({ name, attributes: attributesOf(inside.slice(name.length)), offset: text.length })
    }
    at = end + 1
  }
  const left = open.at(-1)
  if (left !== undefined) throw fail(`Can't find end tag corresponding to start tag "${left.name}"`)
  return { text, entities: entities.sort((a, b) => a.offset - b.offset || b.length - a.length) }
}

function character(decimal: string | undefined, hexadecimal: string | undefined): string {
  const code = decimal === undefined ? Number.parseInt(hexadecimal ?? '0', 16) : Number(decimal)
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : ''
}

function attributesOf(source: string): ReadonlyMap<string, string> {
  const attributes = new Map<string, string>()
  for (const [, name, double, single, bare] of source.matchAll(
    /([\w-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/g,
  ))
    attributes.set((name as string).toLowerCase(), double ?? single ?? bare ?? '')
  return attributes
}

function entityOf(tag: OpenTag, end: number, findUser: FindUser): MessageEntity | undefined {
  const place = { offset: tag.offset, length: end - tag.offset }
  if (place.length === 0) return undefined
  const kind = TAGS.get(tag.name)
  switch (kind) {
    case 'link':
      return linkEntity(place, tag.attributes.get('href') ?? '', findUser)
    case 'emoji':
      return { ...place, type: 'custom_emoji', custom_emoji_id: tag.attributes.get('emoji-id') ?? '' }
    case 'span':
      return tag.attributes.get('class') === 'tg-spoiler' ? { ...place, type: 'spoiler' } : undefined
    case 'pre':
      return { ...place, type: 'pre' }
    case 'blockquote':
      return { ...place, type: tag.attributes.has('expandable') ? 'expandable_blockquote' : 'blockquote' }
    case undefined:
      return undefined
    default:
      return { ...place, type: kind }
  }
}
