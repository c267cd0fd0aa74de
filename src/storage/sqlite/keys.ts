import { type Key, keyText, textKey } from '../../core/subject.js'

/** Returns the one form of a key used here, so that a text key from an export equals the number key from an update. */
export function canonicalKey(key: Key): Key {
  return typeof key === 'number' ? key : textKey(keyText(key))
}

/** Returns the text of a key in the form stored in the tables. */
export function storedKey(key: Key): string {
  return stored(keyText(canonicalKey(key)))
}

/** Escapes NUL, at which much of SQLite ends a text. Reversible. */
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

/** Converts an end time for columns in which NULL means never. */
export function endOf(until: number | undefined): number | null {
  return until === undefined || until === Number.POSITIVE_INFINITY ? null : until
}
