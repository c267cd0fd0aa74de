import type { MessageEntity } from 'grammy/types'
import { apart, byPlace } from './entities.js'

/** Styles may be merged and be split into pieces; other entities are kept whole or dropped. */
const STYLES: readonly string[] = ['bold', 'italic', 'underline', 'strikethrough', 'spoiler']
const QUOTATIONS: ReadonlySet<string> = new Set(['blockquote', 'expandable_blockquote'])
/** Styles cannot be applied to these. Telegram treats dates as code. */
const UNSTYLED: ReadonlySet<string> = new Set(['pre', 'code', 'date_time'])

/** The order of entities that cover the same characters; all others are between quotations and styles. */
const ORDER: readonly string[] = [...QUOTATIONS, ...UNSTYLED, '', ...STYLES, 'custom_emoji']

export const endOf = (entity: MessageEntity) => entity.offset + entity.length
export const isOver = (a: MessageEntity, b: MessageEntity) => a.offset < endOf(b) && b.offset < endOf(a)
export const isStyle = (type: string) => STYLES.includes(type)
export const isQuotation = (type: string) => QUOTATIONS.has(type)
const isWithin = (a: MessageEntity, b: MessageEntity) => b.offset <= a.offset && endOf(a) <= endOf(b)

/**
 * Sorts entities and makes them nest, like fix_entities of TDLib (MessageEntity.cpp): of two entities that share characters, one
 * contains the other. Styles are split where another entity begins, and where one that is no style ends.
 */
export function nested(entities: readonly MessageEntity[]): MessageEntity[] {
  const ordered = [...entities].sort(inOrder)
  const quotations = apart(ordered.filter(({ type }) => isQuotation(type)))
  const whole = apart(ordered.filter(({ type }) => !isStyle(type) && !isQuotation(type))).filter((entity) =>
    quotations.every((other) => !isOver(entity, other) || isWithin(entity, other)),
  )
  const fixed = [...quotations, ...whole]
  const styles = STYLES.map((style) => joined(ordered.filter(({ type }) => type === style)))
  const begins = [...fixed, ...styles.flat()].map(({ offset }) => offset)
  const places = [...new Set([...begins, ...fixed.map(endOf)])].sort((a, b) => a - b)
  // Wherever styles are split within an unstyled entity, that entity would be split too, so the pieces to drop are found by where
  // they begin.
  const unstyled = whole.filter(({ type }) => UNSTYLED.has(type))
  const dropped = new Set(split(unstyled, places).map(({ offset }) => offset))
  const pieces = styles.flatMap((each) => split(each, places)).filter(({ offset }) => !dropped.has(offset))
  return [...fixed, ...pieces].sort(inOrder)
}

function inOrder(a: MessageEntity, b: MessageEntity): number {
  return byPlace(a, b) || rank(a) - rank(b)
}

function rank({ type }: MessageEntity): number {
  const known = ORDER.indexOf(type)
  return known < 0 ? ORDER.indexOf('') : known
}

/** Merges entities of one style that overlap or touch. */
function joined(entities: readonly MessageEntity[]): MessageEntity[] {
  const result: MessageEntity[] = []
  for (const entity of entities) {
    const last = result.at(-1)
    if (last === undefined || entity.offset > endOf(last)) result.push(entity)
    else result[result.length - 1] = { ...last, length: Math.max(endOf(last), endOf(entity)) - last.offset }
  }
  return result
}

/** Splits entities at the given places. Both are sorted, and the entities do not overlap. */
function split(entities: readonly MessageEntity[], places: readonly number[]): MessageEntity[] {
  const pieces: MessageEntity[] = []
  let next = 0
  for (const entity of entities) {
    const end = endOf(entity)
    let offset = entity.offset
    while (offset < end) {
      while ((places[next] ?? Number.POSITIVE_INFINITY) <= offset) next++
      const until = Math.min(places[next] ?? end, end)
      pieces.push({ ...entity, offset, length: until - offset })
      offset = until
    }
  }
  return pieces
}
