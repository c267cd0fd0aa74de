import { type Key, keyText, textKey } from '../../core/subject.js'

/** One form of key for each subject, so that a text from an export finds the number from an update. */
export function canonicalKey(key: Key): Key {
  return typeof key === 'number' ? key : textKey(keyText(key))
}

/** The text of a key as it is kept. */
export function storedKey(key: Key): string {
  return stored(keyText(canonicalKey(key)))
}

/** Any text as it can be kept, one to one: to much of SQLite a text ends with its first NUL. */
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

/** For columns where nothing means for good. */
export function endOf(until: number | undefined): number | null {
  return until === undefined || until === Number.POSITIVE_INFINITY ? null : until
}
