import type { MessageEntity } from 'grammy/types'

type Found = 'bot_command' | 'mention' | 'hashtag' | 'url' | 'email'

/** What Telegram finds in plain text by itself. Offsets are UTF-16 units, as JavaScript counts. */
const PATTERNS: readonly (readonly [Found, RegExp])[] = [
  ['bot_command', /(?<![\w/@])\/[a-zA-Z0-9_]{1,64}(?:@[a-zA-Z]\w{2,31})?(?![\w/])/g],
  ['url', /(?<![\w@])(?:https?:\/\/[^\s<>"]+|(?:t\.me|www\.[a-z0-9-]+\.[a-z]{2,})(?:\/[^\s<>"]*)?)/gi],
  ['email', /(?<![\w.])[\w.+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}/gi],
  ['mention', /(?<![\w@/.])@[a-zA-Z]\w{2,31}/g],
  ['hashtag', /(?<![\w#&])#\p{L}[\p{L}\p{N}_]*/gu],
]

export function findEntities(text: string): MessageEntity[] {
  // Longer ones are refused anyway; the patterns need not prove themselves on megabytes.
  if (text.length > 4096) return []
  const found: MessageEntity[] = []
  for (const [type, pattern] of PATTERNS)
    for (const match of text.matchAll(pattern)) {
      const offset = match.index
      const length = match[0].length
      const taken = found.some(
        (other) => offset < other.offset + other.length && other.offset < offset + length,
      )
      if (!taken) found.push({ type, offset, length })
    }
  return found.sort((a, b) => a.offset - b.offset)
}
