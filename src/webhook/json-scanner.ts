const QUOTE = 34
const COMMA = 44
const MINUS = 45
const POINT = 46
const ZERO = 48
const NINE = 57
const COLON = 58
const OPEN_LIST = 91
const BACKSLASH = 92
const CLOSE_LIST = 93
const OPEN = 123
const CLOSE = 125

/** Deepest nesting. Updates are less deep; a deeper body is left to the parser. */
const DEEPEST = 64

/** A key to look for, and its hash, by which it is found without creating strings. */
export interface Name {
  readonly name: string
  readonly hash: number
}

export function named(name: string): Name {
  let hash = 0
  for (let i = 0; i < name.length; i++) hash = (Math.imul(hash, 31) + name.charCodeAt(i)) | 0
  return { name, hash }
}

/**
 * Skips through JSON text without building values. It accepts only what `JSON.parse` accepts, and returns false in case of doubt.
 */
export class JsonScanner {
  at = 0
  /** Whether the last string contains escapes. */
  escaped = false
  /** Hash of the last key: see {@link named}. */
  hash = 0
  from = 0
  to = 0

  constructor(readonly text: string) {}

  /** Whether only white space follows. */
  ends(): boolean {
    this.space()
    return this.at === this.text.length
  }

  /** Skips white space and then `{`, `[`, `:` and the like; returns whether that character was there. */
  takes(code: number): boolean {
    this.space()
    if (this.text.charCodeAt(this.at) !== code) return false
    this.at++
    return true
  }

  opens(): boolean {
    return this.takes(OPEN)
  }

  closes(): boolean {
    return this.takes(CLOSE)
  }

  comma(): boolean {
    return this.takes(COMMA)
  }

  /**
   * Skips a key of an object and its colon; leaves its hash in `hash` and its position in `from` and `to`. Returns false if there
   * is no key, or if it contains escapes.
   */
  key(): boolean {
    this.space()
    const { text } = this
    if (text.charCodeAt(this.at) !== QUOTE) return false
    let hash = 0
    for (let i = this.at + 1; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code === QUOTE) {
        this.from = this.at + 1
        this.to = i
        this.hash = hash
        this.at = i + 1
        return this.takes(COLON)
      }
      if (code === BACKSLASH || code < 32) return false
      hash = (Math.imul(hash, 31) + code) | 0
    }
    return false
  }

  /** Whether the last key is this one. */
  isKey({ hash, name }: Name): boolean {
    if (this.hash !== hash || this.to - this.from !== name.length) return false
    // Not startsWith(): for so few characters the call costs more than the comparison.
    for (let i = 0; i < name.length; i++) {
      if (this.text.charCodeAt(this.from + i) !== name.charCodeAt(i)) return false
    }
    return true
  }

  /** Reads a whole number that a double represents exactly; returns NaN for any other. */
  integer(): number {
    this.space()
    const { text } = this
    const negative = text.charCodeAt(this.at) === MINUS
    const first = negative ? this.at + 1 : this.at
    let value = 0
    let i = first
    for (let code = text.charCodeAt(i); code >= ZERO && code <= NINE; code = text.charCodeAt(i)) {
      value = value * 10 + (code - ZERO)
      i++
    }
    const next = text.charCodeAt(i) | 32
    // Doubtful cases are left to the parser: 16 or more digits may be inexact, leading zeros are invalid, and 1.0 or 1e3 may be whole.
    const odd = i === first || i - first > 15 || (i - first > 1 && text.charCodeAt(first) === ZERO)
    if (odd || next === POINT || next === 101) return Number.NaN
    this.at = i
    return negative ? -value : value
  }

  /** Reads a string without escapes; returns undefined for any other. */
  plainString(): string | undefined {
    this.space()
    const from = this.at + 1
    return this.string() && !this.escaped ? this.text.slice(from, this.at - 1) : undefined
  }

  /** Skips any value. */
  value(depth = DEEPEST): boolean {
    this.space()
    switch (this.text.charCodeAt(this.at)) {
      case QUOTE:
        return this.string()
      case OPEN:
        return depth > 0 && this.object(depth)
      case OPEN_LIST:
        return depth > 0 && this.list(depth)
      case 116:
        return this.word('true')
      case 102:
        return this.word('false')
      case 110:
        return this.word('null')
      default:
        return this.number()
    }
  }

  /** Skips a string, starting at its opening quote. */
  string(): boolean {
    const { text } = this
    if (text.charCodeAt(this.at) !== QUOTE) return false
    this.escaped = false
    for (let i = this.at + 1; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code === QUOTE) {
        this.at = i + 1
        return true
      }
      if (code === BACKSLASH) {
        this.escaped = true
        i++
        if (text.charCodeAt(i) === 117) {
          if (!isHex(text, i + 1)) return false
          i += 4
        } else if (!isEscape(text.charCodeAt(i))) return false
      } else if (code < 32) return false
    }
    return false
  }

  private object(depth: number): boolean {
    this.at++
    if (this.closes()) return true
    do {
      this.space()
      if (!this.string() || !this.takes(COLON) || !this.value(depth - 1)) return false
    } while (this.comma())
    return this.closes()
  }

  private list(depth: number): boolean {
    this.at++
    if (this.takes(CLOSE_LIST)) return true
    do {
      if (!this.value(depth - 1)) return false
    } while (this.comma())
    return this.takes(CLOSE_LIST)
  }

  private number(): boolean {
    const { text } = this
    let i = this.at
    if (text.charCodeAt(i) === MINUS) i++
    // A zero is followed by no digit: 01 is invalid.
    if (text.charCodeAt(i) === ZERO) i++
    else i = digits(text, i)
    if (i < 0) return false
    if (text.charCodeAt(i) === POINT) i = digits(text, i + 1)
    if (i < 0) return false
    if ((text.charCodeAt(i) | 32) === 101) {
      i++
      const sign = text.charCodeAt(i)
      i = digits(text, sign === 43 || sign === MINUS ? i + 1 : i)
    }
    if (i < 0) return false
    this.at = i
    return true
  }

  private word(word: string): boolean {
    if (!this.text.startsWith(word, this.at)) return false
    this.at += word.length
    return true
  }

  space(): void {
    const { text } = this
    for (;;) {
      const code = text.charCodeAt(this.at)
      if (code > 32) return
      if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return
      this.at++
    }
  }
}

/** Returns the end of a run of digits; -1 if there is none. */
function digits(text: string, from: number): number {
  let i = from
  for (let code = text.charCodeAt(i); code >= ZERO && code <= NINE; code = text.charCodeAt(i)) i++
  return i === from ? -1 : i
}

function isHex(text: string, from: number): boolean {
  for (let i = from; i < from + 4; i++) {
    const code = text.charCodeAt(i)
    const letter = code | 32
    if (!(code >= ZERO && code <= NINE) && !(letter >= 97 && letter <= 102)) return false
  }
  return true
}

/** Whether a character may follow a backslash: one of `"\/bfnrt`. */
function isEscape(code: number): boolean {
  return (
    code === QUOTE ||
    code === BACKSLASH ||
    code === 47 ||
    code === 98 ||
    code === 102 ||
    code === 110 ||
    code === 114 ||
    code === 116
  )
}
