import type { MessageEntity } from 'grammy/types'
import { apart, byPlace, findEntities } from './entities.js'
import { parseHtml } from './html.js'
import type { FindUser } from './links.js'
import { type Parsed, parseMarkdown } from './markdown.js'
import { parseMarkdownV2 } from './markdown-v2.js'
import { badRequest } from './refusal.js'

/** Styles may overlap and be split into pieces; other entities are kept whole or dropped. */
const STYLES: ReadonlySet<string> = new Set(['bold', 'italic', 'underline', 'strikethrough', 'spoiler'])
const QUOTATIONS: ReadonlySet<string> = new Set(['blockquote', 'expandable_blockquote'])
const CODE: ReadonlySet<string> = new Set(['pre', 'code'])

const end = (entity: MessageEntity) => entity.offset + entity.length
const isOver = (a: MessageEntity, b: MessageEntity) => a.offset < end(b) && b.offset < end(a)
/** Whether `a` and `b` overlap without one containing the other. */
const crosses = (a: MessageEntity, b: MessageEntity) =>
  isOver(a, b) && (a.offset < b.offset || end(a) > end(b)) && (b.offset < a.offset || end(b) > end(a))

/**
 * Parses a text in the given parse mode; without one, takes it as it is, with the given entities.
 *
 * @throws Refusal "can't parse entities: …", or "unsupported parse_mode".
 */
export function parseFormatted(
  source: string,
  mode: string,
  given: readonly MessageEntity[],
  findUser: FindUser,
): Parsed {
  switch (mode.toLowerCase()) {
    case '':
      return { text: source, entities: [...given] }
    case 'html':
      return parseHtml(source, findUser)
    case 'markdown':
      return parseMarkdown(source, findUser)
    case 'markdownv2':
      return parseMarkdownV2(source, findUser)
    default:
      throw badRequest('unsupported parse_mode')
  }
}

/** Normalizes a text like Telegram: trims it, corrects its entities, and adds those found in the text. */
export function settleText(parsed: Parsed): Parsed {
  const { text, entities } = withoutReturns(parsed)
  const start = text.length - text.trimStart().length
  const trimmed = text.trim()
  const placed = entities.flatMap((entity) => {
    const offset = Math.max(entity.offset - start, 0)
    const length = Math.min(end(entity) - start, trimmed.length) - offset
    return length > 0 ? [{ ...entity, offset, length }] : []
  })
  const quotations = apart(placed.filter(({ type }) => QUOTATIONS.has(type)))
  const fits = (entity: MessageEntity) => !quotations.some((other) => crosses(entity, other))
  const isWhole = ({ type }: MessageEntity) => !STYLES.has(type) && !QUOTATIONS.has(type)
  const whole = apart(placed.filter(isWhole)).filter(fits)
  const found = findEntities(trimmed).filter(
    (entity) => fits(entity) && !whole.some((other) => isOver(entity, other)),
  )
  const code = whole.filter(({ type }) => CODE.has(type))
  const styles = [...STYLES].flatMap((type) =>
    joined(placed.filter((entity) => entity.type === type)).flatMap((entity) => without(entity, code)),
  )
  return { text: trimmed, entities: [...quotations, ...whole, ...styles, ...found].sort(byPlace) }
}

function withoutReturns({ text, entities }: Parsed): Parsed {
  if (!text.includes('\r')) return { text, entities }
  const before = (index: number) => text.slice(0, index).replaceAll('\r', '').length
  return {
    text: text.replaceAll('\r', ''),
    entities: entities.map((entity) => {
      const offset = before(entity.offset)
      return { ...entity, offset, length: before(end(entity)) - offset }
    }),
  }
}

/** Merges entities of one style that overlap or touch. */
function joined(entities: readonly MessageEntity[]): MessageEntity[] {
  const result: MessageEntity[] = []
  for (const entity of [...entities].sort(byPlace)) {
    const last = result.at(-1)
    if (last === undefined || entity.offset > end(last)) result.push(entity)
    else result[result.length - 1] = { ...last, length: Math.max(end(last), end(entity)) - last.offset }
  }
  return result
}

/** Splits a style around code, which cannot have styles. */
function without(entity: MessageEntity, code: readonly MessageEntity[]): MessageEntity[] {
  let pieces = [entity]
  for (const hole of code)
    pieces = pieces.flatMap((piece) => {
      if (!isOver(piece, hole)) return [piece]
      const before = { ...piece, length: hole.offset - piece.offset }
      const after = { ...piece, offset: end(hole), length: end(piece) - end(hole) }
      return [before, after].filter(({ length }) => length > 0)
    })
  return pieces
}
