import type { MessageEntity } from 'grammy/types'
import { badRequest, type Refusal } from '../refusal.js'
import { byPlace } from './entities.js'
import { type FindUser, linkEntity, type Place } from './links.js'
import { byteOffset, type Parsed } from './markdown.js'

type Simple = 'bold' | 'italic' | 'underline' | 'strikethrough' | 'spoiler'

const SIMPLE = new Map<string, Simple>([
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
  ['span', 'spoiler'],
])
const OTHER: ReadonlySet<string> = new Set(['a', 'code', 'pre', 'blockquote', 'tg-emoji', 'tg-time'])
const NAMED = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['quot', '"'],
])
const TIME_FORMAT = /^(?:r|w?[dD]?[tT]?)$/

interface OpenTag {
  readonly name: string
  readonly attributes: ReadonlyMap<string, string>
  readonly offset: number
}

/** A `code` entity keeps its language until it is clear whether it is inside a `pre`. */
type Found = MessageEntity & { readonly codeLanguage?: string | undefined }

/**
 * Parses Telegram's HTML into text and entities, like parse_html in td/telegram/MessageEntity.cpp.
 *
 * @throws Refusal in Telegram's words: "can't parse entities: …", with offsets in UTF-8 bytes.
 */
export function parseHtml(source: string, findUser: FindUser): Parsed {
  return new Reader(source, findUser).read()
}

class Reader {
  #at = 0
  #text = ''
  readonly #open: OpenTag[] = []
  readonly #found: Found[] = []

  constructor(
    private readonly source: string,
    private readonly findUser: FindUser,
  ) {}

  read(): Parsed {
    while (this.#at < this.source.length) {
      const next = this.source.slice(this.#at).search(/[<&]/)
      const plain = next === -1 ? this.source.length - this.#at : next
      this.#text += this.source.slice(this.#at, this.#at + plain)
      this.#at += plain
      if (this.#peek() === '&') this.#text += this.#reference() ?? this.#take()
      else if (this.#peek() === '<') this.#tag()
    }
    const left = this.#open.at(-1)
    if (left !== undefined) throw refusal(`Can't find end tag corresponding to start tag "${left.name}"`)
    const entities = this.#found.map(({ codeLanguage: _, ...entity }) => entity as MessageEntity)
    return { text: this.#text, entities: entities.sort(byPlace) }
  }

  #peek(): string {
    return this.source[this.#at] ?? ''
  }

  #take(): string {
    return this.source[this.#at++] ?? ''
  }

  #takeWhile(wanted: RegExp): string {
    const start = this.#at
    while (this.#peek() !== '' && wanted.test(this.#peek())) this.#at++
    return this.source.slice(start, this.#at)
  }

  /** Reads a character reference, if there is one: one of the four named ones, or a number; the semicolon is optional. */
  #reference(): string | undefined {
    const rest = this.source.slice(this.#at, this.#at + 12)
    const [whole, hexadecimal, decimal, name] = /^&(?:#x([\da-f]*)|#(\d+)|([a-z]+));?/i.exec(rest) ?? []
    if (whole === undefined) return undefined
    let character: string | undefined
    if (name !== undefined) character = NAMED.get(name)
    else {
      const code = hexadecimal === undefined ? Number(decimal) : Number.parseInt(hexadecimal || '0', 16)
      const digits = whole.replace(';', '').length
      // Surrogates are not characters; Telegram would refuse the text.
      const isCharacter = code > 0 && code < 0x10ffff && digits < 10 && (code < 0xd800 || code > 0xdfff)
      if (isCharacter) character = String.fromCodePoint(code)
    }
    if (character !== undefined) this.#at += whole.length
    return character
  }

  #tag(): void {
    const begin = this.#at++
    if (this.#peek() === '/') this.#end(begin)
    else this.#start(begin)
  }

  #start(begin: number): void {
    const where = () => `at byte offset ${byteOffset(this.source, begin)}`
    const name = this.#takeWhile(/[^\s>]/).toLowerCase()
    if (this.#peek() === '') throw refusal(`Unclosed start tag ${where()}`)
    if (!SIMPLE.has(name) && !OTHER.has(name)) throw refusal(`Unsupported start tag "${name}" ${where()}`)
    const attributes = new Map<string, string>()
    for (;;) {
      this.#takeWhile(/\s/)
      if (this.#peek() === '>') break
      const attribute = this.#takeWhile(/[^\s=>/"']/)
      if (attribute === '') throw refusal(`Empty attribute name in the tag "${name}" ${where()}`)
      this.#takeWhile(/\s/)
      if (this.#peek() === '') throw refusal(`Unclosed start tag "${name}" ${where()}`)
      if (this.#peek() !== '=') {
        attributes.set(attribute, '')
        continue
      }
      this.#at++
      this.#takeWhile(/\s/)
      if (this.#peek() === '') throw refusal(`Unclosed start tag "${name}" ${where()}`)
      attributes.set(attribute, this.#value(where))
    }
    this.#at++
    if (name === 'span' && attributes.get('class') !== 'tg-spoiler')
      throw refusal(`Tag "span" must have class "tg-spoiler" ${where()}`)
    this.#open.push({ name, attributes, offset: this.#text.length })
  }

  #value(where: () => string): string {
    const quote = this.#peek()
    if (quote !== '"' && quote !== "'") {
      const begin = this.#at
      const token = this.#takeWhile(/[a-z\d.-]/i).toLowerCase()
      if (!/[\s>]/.test(this.#peek()))
        throw refusal(`Unexpected end of name token at byte offset ${byteOffset(this.source, begin)}`)
      return token
    }
    this.#at++
    let value = ''
    while (this.#peek() !== '' && this.#peek() !== quote)
      value += (this.#peek() === '&' ? this.#reference() : undefined) ?? this.#take()
    this.#at++
    if (this.#peek() === '') throw refusal(`Unclosed start tag ${where()}`)
    return value
  }

  #end(begin: number): void {
    const where = () => `at byte offset ${byteOffset(this.source, begin)}`
    const tag = this.#open.pop()
    if (tag === undefined) throw refusal(`Unexpected end tag ${where()}`)
    this.#at++
    const name = this.#takeWhile(/[^\s>]/).toLowerCase()
    this.#takeWhile(/\s/)
    if (this.#peek() !== '>') throw refusal(`Unclosed end tag ${where()}`)
    this.#at++
    if (name !== '' && name !== tag.name)
      throw refusal(`Unmatched end tag ${where()}, expected "</${tag.name}>", found "</${name}>"`)
    const place = { offset: tag.offset, length: this.#text.length - tag.offset }
    if (place.length > 0) this.#add(tag, place)
  }

  #add({ name, attributes }: OpenTag, place: Place): void {
    const last = this.#found.at(-1)
    const isSamePlace = last?.offset === place.offset && last.length === place.length
    const simple = SIMPLE.get(name)
    if (simple !== undefined) {
      this.#found.push({ ...place, type: simple })
      return
    }
    switch (name) {
      case 'a': {
        // Without `href`, the link's text is its address.
        const url = attributes.get('href') || this.#text.slice(place.offset)
        const link = linkEntity(place, url, this.findUser)
        if (link !== undefined) this.#found.push(link)
        return
      }
      case 'code': {
        const language = /^language-(.+)$/s.exec(attributes.get('class') ?? '')?.[1]
        if (last?.type === 'pre' && isSamePlace && language !== undefined)
          this.#found[this.#found.length - 1] = { ...last, language }
        else this.#found.push({ ...place, type: 'code', codeLanguage: language })
        return
      }
      case 'pre':
        // A `code` with a language that fills the whole `pre` is merged with it.
        if (last?.type === 'code' && isSamePlace && last.codeLanguage !== undefined)
          this.#found[this.#found.length - 1] = { ...place, type: 'pre', language: last.codeLanguage }
        else this.#found.push({ ...place, type: 'pre' })
        return
      case 'tg-emoji': {
        const id = attributes.get('emoji-id') ?? ''
        if (!/^-?[1-9]\d{0,18}$/.test(id)) throw refusal('Invalid custom emoji identifier specified')
        this.#found.push({ ...place, type: 'custom_emoji', custom_emoji_id: id })
        return
      }
      case 'tg-time':
        this.#addTime(attributes, place)
        return
      default: {
        const type = attributes.has('expandable') ? 'expandable_blockquote' : 'blockquote'
        this.#found.push({ ...place, type })
      }
    }
  }

  #addTime(attributes: ReadonlyMap<string, string>, place: Place): void {
    const format = attributes.get('format') ?? ''
    if (!TIME_FORMAT.test(format)) throw refusal('Invalid date-time format specified')
    const unix = Number(attributes.get('unix') ?? 0)
    if (!(Number.isInteger(unix) && unix > 0 && unix < 2 ** 31)) return
    const date_time_format = format as MessageEntity.DateTimeMessageEntity['date_time_format']
    this.#found.push({ ...place, type: 'date_time', unix_time: unix, date_time_format })
  }
}

function refusal(what: string): Refusal {
  return badRequest(`can't parse entities: ${what}`)
}
