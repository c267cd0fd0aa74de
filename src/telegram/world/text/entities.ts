import type { MessageEntity } from 'grammy/types'
import { type FoundAddress, findAddresses } from './addresses.js'
import type { Place } from './links.js'

/** Entities found by patterns of words; {@link findAddresses} finds the others. */
type Word = 'bot_command' | 'mention' | 'hashtag' | 'cashtag'
type Found = FoundAddress | (Place & { readonly type: Word })

/** Characters of words and of hashtags, from the regular expressions in td/telegram/MessageEntity.cpp. */
const WORD = '\\p{L}\\p{N}_'
const TAG = '\\p{L}\\p{Nd}_\\u200c\\u00b7\\u0d80-\\u0dff'

const MENTION = new RegExp(`(?<![${WORD}])@([A-Za-z0-9_]{2,32})(?![${WORD}])`, 'gu')
const COMMAND = new RegExp(
  `(?<![${WORD}/<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32}(?![${WORD}/<>])|(?![${WORD}/<>@]))`,
  'gu',
)
/** A tag may be limited to one chat: `#tag@chat`. */
const THERE = '@[A-Za-z0-9_]{3,32}'
const HASHTAG = new RegExp(`(?<![${TAG}])#[${TAG}]{1,256}(?![${TAG}]*#)(?:${THERE})?`, 'gu')
const CASHTAG = new RegExp(
  `(?<![${TAG}$])\\$(?:1INCH|[A-Z]{1,8})(?:${THERE}(?![A-Za-z0-9_]))?(?![${TAG}$])`,
  'gu',
)

/** Usernames shorter than the general minimum. */
const SHORT_NAMES: ReadonlySet<string> = new Set(['gif', 'nft', 'pic', 'ufc', 'vid'])

/**
 * Finds mentions, commands, hashtags, cashtags, links and e-mail addresses like Telegram. Phone numbers are not detected, because
 * Telegram has not published its rule for them.
 */
export function findEntities(text: string): MessageEntity[] {
  // Longer texts are refused anyway, so the patterns need not run on them.
  if (text.length > 4096) return []
  const found: Found[] = [
    ...foundBy('mention', MENTION, text).filter(({ offset, length }) => {
      const name = text.slice(offset + 1, offset + length)
      return name.length >= 4 || SHORT_NAMES.has(name.toLowerCase())
    }),
    ...foundBy('bot_command', COMMAND, text),
    ...foundBy('hashtag', HASHTAG, text).filter(({ offset, length }) =>
      /^#[^@]*\p{L}/u.test(text.slice(offset, offset + length)),
    ),
    ...foundBy('cashtag', CASHTAG, text),
    ...findAddresses(text),
  ]
  // Of overlapping entities the one that begins first is kept, and of those the longer one.
  return apart(found)
}

/** Sorts entities by where they begin; of those that begin at the same place, the longest comes first. */
export function byPlace(a: Place, b: Place): number {
  return a.offset - b.offset || b.length - a.length
}

/** Drops entities that overlap an earlier one. */
export function apart<Entity extends Place>(entities: readonly Entity[]): Entity[] {
  const kept: Entity[] = []
  for (const entity of [...entities].sort(byPlace)) {
    const last = kept.at(-1)
    if (last === undefined || entity.offset >= last.offset + last.length) kept.push(entity)
  }
  return kept
}

function foundBy(type: Word, pattern: RegExp, text: string): Found[] {
  return [...text.matchAll(pattern)].map(({ index, 0: { length } }) => ({ type, offset: index, length }))
}
