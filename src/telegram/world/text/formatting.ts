import type { MessageEntity } from 'grammy/types'
import { badRequest } from '../refusal.js'
import { findEntities } from './entities.js'
import { assertPossible, assertWithin } from './entity-places.js'
import { parseHtml } from './html.js'
import type { FindUser } from './links.js'
import { type Parsed, parseMarkdown } from './markdown.js'
import { parseMarkdownV2 } from './markdown-v2.js'
import { endOf, isOver, isQuotation, isStyle, nested } from './nesting.js'

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

/**
 * Normalizes a text like Telegram: trims it, corrects its entities, and adds those found in the text.
 *
 * @throws Refusal if an entity begins or ends outside the text, or within a character.
 */
export function settleText(parsed: Parsed): Parsed {
  const { text, entities } = withoutReturns(checked(parsed))
  const start = text.length - text.trimStart().length
  const trimmed = text.trim()
  const placed = entities.flatMap((entity) => {
    const offset = Math.max(entity.offset - start, 0)
    const length = Math.min(endOf(entity) - start, trimmed.length) - offset
    return length > 0 ? [{ ...entity, offset, length }] : []
  })
  const whole = placed.filter(({ type }) => !isStyle(type) && !isQuotation(type))
  const found = findEntities(trimmed).filter((entity) => !whole.some((other) => isOver(entity, other)))
  return { text: trimmed, entities: nested([...placed, ...found]) }
}

/** The entities must be checked after they were split, because complaints name the pieces. */
function checked({ text, entities: given }: Parsed): Parsed {
  assertPossible(given)
  const entities = nested(given.filter(({ length }) => length > 0))
  assertWithin(text, entities)
  return { text, entities }
}

function withoutReturns({ text, entities }: Parsed): Parsed {
  if (!text.includes('\r')) return { text, entities }
  const before = (index: number) => text.slice(0, index).replaceAll('\r', '').length
  return {
    text: text.replaceAll('\r', ''),
    entities: entities.map((entity) => {
      const offset = before(entity.offset)
      return { ...entity, offset, length: before(endOf(entity)) - offset }
    }),
  }
}
