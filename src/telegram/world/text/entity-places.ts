import type { MessageEntity } from 'grammy/types'
import { badRequest } from '../refusal.js'
import { endOf } from './nesting.js'

/** Refuses entities whose numbers are impossible in any text, like fix_formatted_text of TDLib (MessageEntity.cpp). */
export function assertPossible(entities: readonly MessageEntity[]): void {
  for (const { offset, length } of entities) {
    if (offset < 0 || offset > 1_000_000)
      throw badRequest(`receive an entity with incorrect offset ${offset}`)
    if (length < 0 || length > 1_000_000)
      throw badRequest(`receive an entity with incorrect length ${length}`)
  }
}

/**
 * Refuses entities that begin or end behind the text, or between the two halves of a character such as an emoji, like
 * clean_input_string_with_entities of TDLib.
 *
 * @param entities Sorted and nested.
 */
export function assertWithin(text: string, entities: readonly MessageEntity[]): void {
  // Of those that end at one place, the innermost ends first, which is the last one in order. Others begin after that.
  const ends = entities.map((entity) => ({
    at: endOf(entity),
    why: `entity beginning at UTF-16 offset ${entity.offset} ends`,
  }))
  const begins = entities.map(({ offset }) => ({ at: offset, why: 'entity begins' }))
  const wrong = [...ends.reverse(), ...begins]
    .filter(({ at }) => isWithinCharacter(text, at))
    .sort((a, b) => a.at - b.at)[0]
  if (wrong !== undefined) {
    const bytes = new TextEncoder().encode(text.slice(0, wrong.at + 1)).length
    throw badRequest(`${wrong.why} in a middle of a UTF-16 symbol at byte offset ${bytes}`)
  }
  const begun = entities.find(({ offset }) => offset > text.length)
  if (begun !== undefined)
    throw badRequest(`entity begins after the end of the text at UTF-16 offset ${begun.offset}`)
  const open = entities.findLast((entity) => endOf(entity) > text.length)
  if (open !== undefined)
    throw badRequest(
      `entity beginning at UTF-16 offset ${open.offset} ends after the end of the text at UTF-16 offset ${endOf(open)}`,
    )
}

function isWithinCharacter(text: string, at: number): boolean {
  return at > 0 && (text.codePointAt(at - 1) ?? 0) > 0xffff
}
