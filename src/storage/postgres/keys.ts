import { Digest } from '../../core/digest.js'
import { type Key, keyText, textKey } from '../../core/subject.js'

/** Maps subjects to the numbers used in tables: a number key stays as it is, a text key becomes a negative keyed digest. */
export class Subjects {
  private readonly digest: Digest

  constructor(secret: string) {
    this.digest = Digest.keyed(secret)
  }

  numberOf(key: Key): number {
    return typeof key === 'number' ? key : -1 - this.digest.number(key)
  }
}

/** Returns the one form of a key used here, so that a text key from an export equals the number key from an update. */
export function canonicalKey(key: Key): Key {
  return typeof key === 'number' ? key : textKey(keyText(key))
}

/** Returns the text of a key in the form stored by the server. */
export function storedText(key: Key): string {
  return stored(keyText(key))
}

/** Escapes NUL, which texts of the server cannot contain. Reversible. */
export function stored(text: string): string {
  return text.includes('\0') || text.includes('\\') ? text.replace(/[\\\0]/g, escaped) : text
}

export function readKey(kept: string): Key {
  return textKey(read(kept))
}

/** Reverses {@link stored}. */
export function read(kept: string): string {
  return kept.includes('\\') ? kept.replace(/\\([\\0])/g, unescaped) : kept
}

function escaped(character: string): string {
  return character === '\0' ? '\\0' : '\\\\'
}

function unescaped(_: string, code: string): string {
  return code === '0' ? '\0' : '\\'
}
