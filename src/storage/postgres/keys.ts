import { Digest } from '../../core/digest.js'
import { type Key, keyText, textKey } from '../../core/subject.js'

/** How subjects are filed: a number as it is, a text under a keyed digest below zero. */
export class Subjects {
  private readonly digest: Digest

  constructor(secret: string) {
    this.digest = Digest.keyed(secret)
  }

  numberOf(key: Key): number {
    return typeof key === 'number' ? key : -1 - this.digest.number(key)
  }
}

/** One form of key for each subject, so that a text from an export finds the number from an update. */
export function canonicalKey(key: Key): Key {
  return typeof key === 'number' ? key : textKey(keyText(key))
}

/** The text of a key as the server can keep it, one to one. */
export function storedText(key: Key): string {
  return stored(keyText(key))
}

/** Any text as the server can keep it, one to one: its texts have no NUL. */
export function stored(text: string): string {
  return text.includes('\0') || text.includes('\\') ? text.replace(/[\\\0]/g, escaped) : text
}

export function readKey(kept: string): Key {
  return textKey(read(kept))
}

/** What {@link stored} was given. */
export function read(kept: string): string {
  return kept.includes('\\') ? kept.replace(/\\([\\0])/g, unescaped) : kept
}

function escaped(character: string): string {
  return character === '\0' ? '\\0' : '\\\\'
}

function unescaped(_: string, code: string): string {
  return code === '0' ? '\0' : '\\'
}
