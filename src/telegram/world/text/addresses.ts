import type { Place } from './links.js'
import { matchAt } from './markdown.js'
import { isTopLevelDomain } from './top-level-domains.js'

export interface FoundAddress extends Place {
  readonly type: 'url' | 'email'
}

/** Characters that end an address: spaces, control characters and typographic punctuation, but not joiners and dashes. */
const BREAK = '[\\p{Z}\\p{Cc}\\u2000-\\u200b\\u200e\\u200f\\u2016-\\u206f]'
const DOMAIN = `(?:[A-Za-z0-9._~-]|(?!${BREAK})[\\u00c0-\\u{10ffff}])`
const USER = `(?:(?!${BREAK})[^/[\\]{}()'\`<>"@«»])`
const PATH = `(?:(?!${BREAK})[^<>"«»])`
const PROTOCOL = `(?:[A-Za-z0-9+-]|(?!${BREAK})[\\u0080-\\u{10ffff}])`

const only = (source: string) => new RegExp(`^${source}$`, 'u')
const IN_DOMAIN = only(DOMAIN)
const IN_USER = only(USER)
const IN_PROTOCOL = only(PROTOCOL)

const DOMAIN_AND_AT = new RegExp(`(?:${DOMAIN}|@)*`, 'uy')
const PORT = /:0*([1-9]\d{0,4})(?!\d)/y
const TAIL = new RegExp(`[/?#]${PATH}*`, 'uy')
const APP_LINK = /(?:[tT][gG]|[tT][oO][nN]):\/\/[A-Za-z0-9_-]{1,253}/g

/** Trailing punctuation that belongs to the sentence, not to the address. */
const ENDS_SENTENCE = ".:;,('?!`"

/** Protocols that are recognized, with those that end the same way but are not. */
const PROTOCOLS: readonly (readonly [string, readonly string[]])[] = [
  ['https', []],
  ['http', ['shttp']],
  ['ftp', ['tftp', 'sftp']],
  ['tonsite', []],
]

/**
 * Finds links and e-mail addresses in plain text by the rules of td/telegram/MessageEntity.cpp: names with a dot and a valid
 * ending, with or without a protocol, and links to Telegram's apps (tg://, ton://).
 */
export function findAddresses(text: string): FoundAddress[] {
  const found: FoundAddress[] = []
  let last = 0
  for (const { index, 0: link } of text.matchAll(APP_LINK)) {
    // Inside the previous link.
    if (index < last) continue
    const end = endOfTail(text, index + link.length)
    last = end
    found.push({ type: 'url', offset: index, length: end - index })
  }
  for (let from = 0; ; ) {
    const dot = text.indexOf('.', from)
    if (dot === -1 || dot === text.length - 1) return found
    const { begin, end, isWhole } = addressAround(text, from, dot)
    from = end
    if (isWhole) {
      if (end > dot + 1) found.push(...judged(text.slice(begin, end), begin))
      while (text[from] === '.') from++
    } else while (text[from - 1] !== '.') from--
  }
}

/**
 * The candidate address around a dot, not reaching back beyond `from`. If `isWhole` is false there is none, and `end` is where
 * the search goes on.
 */
function addressAround(
  text: string,
  from: number,
  dot: number,
): { readonly begin: number; readonly end: number; readonly isWhole: boolean } {
  let begin = beginOf(IN_DOMAIN, text, from, dot)
  const host = matchAt(DOMAIN_AND_AT, text, dot)
  const hasUser = host.includes('@')
  if (hasUser) begin = beginOf(IN_USER, text, from, begin)
  let end = endOfTail(text, endOfPort(text, dot + host.length))
  while (end > dot + 1 && text[end - 1] === '.') end--

  const bad = { begin, end, isWhole: false }
  if (begin > from && text[begin - 1] === '@') {
    const user = beginOf(IN_USER, text, from, begin - 1)
    if (hasUser || user === begin - 1) return bad
    begin = user
  }
  if (begin === from) return { begin, end, isWhole: true }
  if (text.slice(from, begin).endsWith('://')) {
    const protocol = text.slice(beginOf(IN_PROTOCOL, text, from, begin - 3), begin - 3).toLowerCase()
    const known = PROTOCOLS.find(([name, others]) => protocol.endsWith(name) && !others.includes(protocol))
    return known === undefined ? bad : { begin: begin - 3 - known[0].length, end, isWhole: true }
  }
  return /[\p{L}\p{N}_/#@]$/u.test(text.slice(from, begin)) ? bad : { begin, end, isWhole: true }
}

/** Start of the longest run of such characters that ends at `end`. */
function beginOf(kind: RegExp, text: string, from: number, end: number): number {
  let begin = end
  while (begin > from) {
    const isPair = begin - 1 > from && /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(begin - 2, begin))
    const before = begin - (isPair ? 2 : 1)
    if (!kind.test(text.slice(before, begin))) break
    begin = before
  }
  return begin
}

function endOfPort(text: string, index: number): number {
  const port = matchAt(PORT, text, index)
  return Number(port.slice(1)) <= 65_535 ? index + port.length : index
}

/** End of path, query and fragment, without trailing punctuation. A lone `?` or `#` is not included. */
function endOfTail(text: string, index: number): number {
  const tail = matchAt(TAIL, text, index)
  if (tail === '') return index
  const kept = 1 + withoutSentenceEnd(tail.slice(1)).length
  return kept > 1 || tail[0] === '/' ? index + kept : index
}

/** A loop, because a regular expression would take quadratic time on many such characters. */
function withoutSentenceEnd(text: string): string {
  let end = text.length
  while (end > 0 && ENDS_SENTENCE.includes(text[end - 1] as string)) end--
  return text.slice(0, end)
}

function judged(candidate: string, offset: number): FoundAddress[] {
  if (isEmail(candidate)) return [{ type: 'email', offset, length: candidate.length }]
  const mail = 'mailto:'
  const address = candidate.slice(mail.length)
  if (candidate.startsWith(mail) && isEmail(address))
    return [{ type: 'email', offset: offset + mail.length, length: address.length }]
  const length = lengthOfLink(candidate)
  return length === 0 ? [] : [{ type: 'url', offset, length }]
}

function isEmail(text: string): boolean {
  return /^(?:[a-z0-9_-]{0,26}[.+]){0,10}[a-z0-9_-]{1,35}@(?:[a-z0-9](?:[a-z0-9_-]{0,28}[a-z0-9])?\.){1,6}[a-z]{2,8}$/i.test(
    text,
  )
}

/** Length of the part that is a link; 0 if none. */
function lengthOfLink(link: string): number {
  const protocol = /^(?:https?|ftp|tonsite):\/\//i.exec(link)?.[0] ?? ''
  const [host = ''] = /^[^/?#]*/.exec(link.slice(protocol.length)) ?? []
  const name = host.slice(host.indexOf('@') + 1).replace(/:[^:]*$/, '')
  if (!isName(name, protocol !== '')) return 0
  const path = link.slice(protocol.length + host.length)
  return link.length - path.length + withoutSentenceEnd(balanced(path)).length
}

const CLOSED_BY = new Map([
  [')', '('],
  [']', '['],
  ['}', '{'],
])

/** Cuts a path before a closing bracket that the path has not opened, which belongs to the surrounding text. */
function balanced(path: string): string {
  const open = new Map<string, number>()
  for (const [index, sign] of [...path].entries()) {
    const opener = CLOSED_BY.get(sign)
    const left = (open.get(opener ?? sign) ?? 0) + (opener === undefined ? 1 : -1)
    if (left < 0) return [...path].slice(0, index).join('')
    open.set(opener ?? sign, left)
  }
  return path
}

const LONGEST_LABEL = 63

/** Whether this can be a host name. Without a protocol its ending must be a known top-level domain. */
function isName(name: string, hasProtocol: boolean): boolean {
  // A misspelling of Telegram's own domain, used for phishing.
  if (name.toLowerCase() === 'teiegram.org') return false
  const labels = name.split('.')
  if (labels.some((label) => label === '' || label.endsWith('-') || Buffer.byteLength(label) > LONGEST_LABEL))
    return false
  const [last = '', second = ''] = labels.toReversed()
  if (second === '' || !/[^\d.]/.test(name)) return isIpv4(labels)
  return isEnding(last, hasProtocol) && !second.includes('_')
}

function isIpv4(labels: readonly string[]): boolean {
  return (
    labels.length === 4 && labels.every((label) => /^(?:0|[1-9]\d{0,2})$/.test(label) && Number(label) < 256)
  )
}

function isEnding(label: string, hasProtocol: boolean): boolean {
  if (label.startsWith('xn--')) return /^xn--[A-Za-z0-9]{2,}$/.test(label)
  if ([...label].length < 2 || /[_-]/.test(label)) return false
  const lower = label.toLowerCase()
  // In "telegram.Org", the capital letter marks the start of a new sentence.
  const isSentence = lower !== label && lower.slice(1) === label.slice(1)
  return hasProtocol || (!isSentence && isTopLevelDomain(lower))
}
