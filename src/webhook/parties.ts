import type { JsonScanner } from './json-scanner.js'

/** Somebody, or a chat, as far as facts go. */
export interface Party {
  readonly id: number
  readonly type: string | undefined
}

interface Known {
  /** As it was written. */
  readonly text: string
  readonly party: Party
}

/** Remembered at most, and none longer than this: they are a name and a few words. */
const MOST = 4096
const LONGEST = 512

/**
 * How suspects were written when they were last read. Whoever floods is written the same each time, so comparing takes the place of
 * walking over most of a body.
 */
export class Parties {
  private readonly known = new Map<number, Known>()

  /** The party that stands at the scanner, walked over, if it is written as it was. */
  again(scanner: JsonScanner): Party | undefined {
    const { text, at } = scanner
    const known = this.known.get(idAt(text, at))
    if (known === undefined) return undefined
    const end = at + known.text.length
    // Not startsWith(), which compares letter by letter.
    if (text.slice(at, end) !== known.text) return undefined
    scanner.at = end
    return known.party
  }

  /** Remembers one that was walked over, from its first brace on. */
  note({ text, at }: JsonScanner, from: number, party: Party): void {
    const id = idAt(text, from)
    if (Number.isNaN(id) || at - from > LONGEST) return
    if (this.known.size >= MOST) this.known.clear()
    // A part of a text keeps the whole of it in memory; a copy does not.
    const copy = JSON.parse(JSON.stringify(text.slice(from, at))) as string
    this.known.set(id, { text: copy, party })
  }
}

/** What stands behind `{"id":`, which is what Telegram writes first; NaN where that is not there. It need not be a valid id. */
function idAt(text: string, at: number): number {
  if (text.charCodeAt(at + 2) !== 105 || text.charCodeAt(at + 3) !== 100 || text.charCodeAt(at + 5) !== 58) {
    return Number.NaN
  }
  let i = at + 6
  const negative = text.charCodeAt(i) === 45
  if (negative) i++
  let id = 0
  for (let code = text.charCodeAt(i); code >= 48 && code <= 57; code = text.charCodeAt(++i)) {
    id = id * 10 + (code - 48)
  }
  return negative ? -id : id
}
