import type { MessageEntity } from 'grammy/types'
import { badRequest } from '../refusal.js'
import { type FindUser, linkEntity, type Place, readEmojiLink } from './links.js'
import { byteOffset, codeHead, type Parsed } from './markdown.js'

/** The names used in Telegram's error texts. */
type Kind =
  | 'Bold'
  | 'Italic'
  | 'Underline'
  | 'Strikethrough'
  | 'Spoiler'
  | 'Code'
  | 'Pre'
  | 'PreCode'
  | 'TextUrl'
  | 'CustomEmoji'
  | 'BlockQuote'

interface Open {
  readonly kind: Kind
  /** Start position in the source, and in the resulting text. */
  readonly at: number
  readonly offset: number
  readonly language?: string
}

/** In order of precedence: `__` is always an underline, never two italics. */
const MARKS: readonly (readonly [string, Kind])[] = [
  ['```', 'Pre'],
  ['`', 'Code'],
  ['__', 'Underline'],
  ['_', 'Italic'],
  ['*', 'Bold'],
  ['~', 'Strikethrough'],
  ['||', 'Spoiler'],
  ['![', 'CustomEmoji'],
  ['[', 'TextUrl'],
]
const CLOSING: Readonly<Record<Exclude<Kind, 'BlockQuote'>, string>> = {
  Bold: '*',
  Italic: '_',
  Underline: '__',
  Strikethrough: '~',
  Spoiler: '||',
  Code: '`',
  Pre: '```',
  PreCode: '```',
  TextUrl: ']',
  CustomEmoji: ']',
}
const RESERVED = '_*[]()~`>#+-=|{}.!\n'

/**
 * Parses MarkdownV2 into text and entities.
 *
 * @throws Refusal in Telegram's words: "can't parse entities: …", with offsets in UTF-8 bytes.
 */
export function parseMarkdownV2(source: string, findUser: FindUser): Parsed {
  return new Reader(source, findUser).read()
}

class Reader {
  readonly #entities: MessageEntity[] = []
  readonly #open: Open[] = []
  #text = ''
  #at = 0
  /** Inside a block quotation, which continues while lines begin with `>`. */
  #quoting = false
  #lineBegins = true

  constructor(
    private readonly source: string,
    private readonly findUser: FindUser,
  ) {}

  read(): Parsed {
    while (this.#at < this.source.length) this.#step()
    if (this.#quoting) this.#endQuotationWithText()
    const left = this.#open.at(-1)
    if (left !== undefined) throw this.#unclosed(left)
    return { text: this.#text, entities: this.#entities }
  }

  #step(): void {
    const char = this.source[this.#at] as string
    const escaped = char === '\\' ? this.source[this.#at + 1] : undefined
    // Any ASCII character can be escaped, reserved or not.
    if (escaped !== undefined && escaped > '\0' && escaped <= '~') {
      this.#keep(escaped, 2)
      return
    }
    const top = this.#open.at(-1)
    const isCode = top !== undefined && CLOSING[top.kind as 'Code']?.startsWith('`')
    if (!(isCode ? '`' : RESERVED).includes(char)) this.#keep(char, 1)
    else if (top === undefined || !this.#endsHere(top, char)) this.#begin(char)
    else if (char === '\n') this.#endQuotation(top)
    else this.#end(top)
  }

  #keep(char: string, taken: number): void {
    this.#text += char
    if (char !== '\r') this.#lineBegins = char === '\n'
    this.#at += taken
  }

  #endsHere({ kind }: Open, char: string): boolean {
    if (this.#quoting && char === '\n' && this.source[this.#at + 1] !== '>') return true
    if (kind === 'BlockQuote') return false
    // `__` is an underline even inside italics.
    if (kind === 'Italic' && this.source[this.#at + 1] === '_') return false
    return this.source.startsWith(CLOSING[kind], this.#at)
  }

  #begin(char: string): void {
    if (char === '\n') {
      this.#keep(char, 1)
      return
    }
    if (char === '>') {
      if (!this.#lineBegins) throw this.#reserved(char)
      if (!this.#quoting) this.#push('BlockQuote')
      this.#quoting = true
      this.#at++
      return
    }
    const mark = MARKS.find(([text]) => this.source.startsWith(text, this.#at))
    if (mark === undefined) throw this.#reserved(char)
    const [text, kind] = mark
    if (kind !== 'Pre') {
      this.#push(kind)
      this.#at += text.length
      return
    }
    const { language, start } = codeHead(this.source, this.#at + text.length)
    if (language === '') this.#push(kind)
    else this.#push('PreCode', language)
    this.#at = start
  }

  #push(kind: Kind, language?: string): void {
    const place = { at: this.#at, offset: this.#text.length }
    this.#open.push({ kind, ...place, ...(language !== undefined && { language }) })
  }

  #end(top: Open): void {
    this.#open.pop()
    this.#at += top.kind === 'BlockQuote' ? 0 : CLOSING[top.kind].length
    const place = { offset: top.offset, length: this.#text.length - top.offset }
    const entity = this.#entityOf(top, place)
    if (entity !== undefined && place.length > 0) this.#entities.push(entity)
  }

  #entityOf(top: Open, place: Place): MessageEntity | undefined {
    switch (top.kind) {
      case 'TextUrl': {
        const url = this.source[this.#at] === '(' ? this.#readUrl('a URL') : this.#text.slice(top.offset)
        return linkEntity(place, url, this.findUser)
      }
      case 'CustomEmoji': {
        if (this.source[this.#at] !== '(')
          throw this.#fail('Custom emoji entity must contain a tg://emoji URL')
        const link = readEmojiLink(this.#readUrl('a custom emoji URL'))
        if ('wrong' in link) throw this.#fail(link.wrong)
        return { ...place, type: 'custom_emoji', custom_emoji_id: link.id }
      }
      case 'Pre':
      case 'PreCode':
        return { ...place, type: 'pre', ...(top.language !== undefined && { language: top.language }) }
      case 'BlockQuote':
        return { ...place, type: 'blockquote' }
      default:
        return { ...place, type: top.kind.toLowerCase() as 'bold' }
    }
  }

  /** Reads the URL in parentheses at the current position and moves behind it. */
  #readUrl(what: string): string {
    const begin = ++this.#at
    let url = ''
    while (this.#at < this.source.length && this.source[this.#at] !== ')') {
      const next = this.source[this.#at + 1]
      if (this.source[this.#at] === '\\' && next !== undefined && next > '\0' && next <= '~') this.#at++
      url += this.source[this.#at++]
    }
    if (this.source[this.#at] !== ')')
      throw this.#fail(`Can't find end of ${what} at byte offset ${byteOffset(this.source, begin)}`)
    this.#at++
    return url
  }

  /**
   * Ends a quotation at a line break that is not followed by `>`; the line break belongs to the quotation. `||` right before it
   * makes the quotation expandable.
   */
  #endQuotation(top: Open): void {
    const behind = this.#text.endsWith('\r') ? 3 : 2
    const isExpandable = top.kind === 'Spoiler' && [2, behind].includes(this.#at - top.at)
    if (isExpandable) this.#open.pop()
    else if (top.kind !== 'BlockQuote') throw this.#unclosed(top)
    this.#text += '\n'
    this.#at++
    this.#lineBegins = true
    this.#finishQuotation(isExpandable)
  }

  #endQuotationWithText(): void {
    const top = this.#open.at(-1)
    const isExpandable = top?.kind === 'Spoiler' && top.at === this.source.length - 2
    if (isExpandable) this.#open.pop()
    if (this.#open.at(-1)?.kind === 'BlockQuote') this.#finishQuotation(isExpandable)
  }

  #finishQuotation(isExpandable: boolean): void {
    const quotation = this.#open.pop()
    if (quotation === undefined) return
    if (quotation.kind !== 'BlockQuote') throw this.#unclosed(quotation)
    this.#quoting = false
    const place = { offset: quotation.offset, length: this.#text.length - quotation.offset }
    if (place.length > 0)
      this.#entities.push({ ...place, type: isExpandable ? 'expandable_blockquote' : 'blockquote' })
  }

  #unclosed({ kind, at }: Open) {
    return this.#fail(`Can't find end of ${kind} entity at byte offset ${byteOffset(this.source, at)}`)
  }

  #reserved(char: string) {
    return this.#fail(`Character '${char}' is reserved and must be escaped with the preceding '\\'`)
  }

  #fail(what: string) {
    return badRequest(`can't parse entities: ${what}`)
  }
}
