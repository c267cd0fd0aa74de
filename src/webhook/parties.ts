import type { JsonScanner } from './json-scanner.js'

/** A user or chat, with the properties that facts use. */
export interface Party {
  readonly id: number
  readonly type: string | undefined
}

interface Known {
  /** Its JSON text. */
  readonly text: string
  readonly party: Party
}

/** Most parties to remember, and the longest text of one; they consist of a name and a few words. */
const MOST = 4096
const LONGEST = 512

/**
 * Remembers the JSON text of offenders. Telegram writes the same user the same way each time, so comparing the text replaces
 * scanning most of a body.
 */
export class Parties {
  private readonly known = new Map<number, Known>()

  /** If a remembered party stands at the scanner's position with the same text, skips and returns it. */
  again(scanner: JsonScanner): Party | undefined {
    const { text, at } = scanner
    const known = this.known.get(idAt(text, at))
    if (known === undefined) return undefined
    const end = at + known.text.length
    // Not startsWith(), which compares character by character.
    if (text.slice(at, end) !== known.text) return undefined
    scanner.at = end
    return known.party
  }

  /** Remembers a party that was scanned, from its opening brace. */
  note({ text, at }: JsonScanner, from: number, party: Party): void {
    const id = idAt(text, from)
    if (Number.isNaN(id) || at - from > LONGEST) return
    if (this.known.size >= MOST) this.known.clear()
    // Copied, because a slice would keep the whole body in memory.
    const copy = JSON.parse(JSON.stringify(text.slice(from, at))) as string
    this.known.set(id, { text: copy, party })
  }
}

/** Returns the number after `{"id":`, which Telegram writes first; NaN if it is not there. It need not be a valid id. */
function idAt(text: string, at: number): number {
  if (text.charCodeAt(at + 2) !== 105 || text.charCodeAt(at + 3) !== 100 || text.charCodeAt(at + 5) !== 58) {
    return Number.NaN
  }
  return numberAt(text, at + 6)
}

/** Returns the number at a position; digits that are missing or too many are not noticed. */
export function numberAt(text: string, at: number): number {
  const negative = text.charCodeAt(at) === 45
  let i = at
  if (negative) i++
  let id = 0
  for (let code = text.charCodeAt(i); code >= 48 && code <= 57; code = text.charCodeAt(++i)) {
    id = id * 10 + (code - 48)
  }
  return negative ? -id : id
}
