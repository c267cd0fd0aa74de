import { SentinelError } from '../core/errors.js'
import { checkOptions } from './read.js'
import type { SentinelOptions } from './schema.js'

/**
 * Reads options from JSON and checks them.
 *
 * @throws SentinelError `option.invalid` with line and column if the text is not JSON; otherwise the errors of `sentinel()`.
 *
 * @example
 * ```ts
 * import { fromJson, sentinel } from 'grammy-sentinel'
 *
 * const guard = sentinel(fromJson('{ "throttle": "20/1m", "exempt": { "users": [1234567] } }'))
 * ```
 */
export function fromJson(text: string): SentinelOptions {
  const options = parseJson(text)
  const [problem] = checkOptions(options)
  if (problem !== undefined) throw problem
  return options as SentinelOptions
}

/** Parses the text of an options file without checking the options. */
export function parseJson(given: string): unknown {
  // Editors of Windows may begin a file with a byte order mark, which nobody sees.
  const text = given.replace(/^\uFEFF/, '')
  try {
    return JSON.parse(text)
  } catch {
    throw new SentinelError(
      'option.invalid',
      `${breakOf(text)}: the JSON is invalid here. Check what precedes it, too.`,
    )
  }
}

const TOKEN =
  /[ \t\n\r]*(?:([[\]{},:])|("(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[\dA-Fa-f]{4}))*")|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[Ee][+-]?\d+)?|true|false|null)/y
const VALUE = '"v{['
const FOLLOWS: Readonly<Record<string, string>> = { '{': '"}', '[': `${VALUE}]`, ':': VALUE }

/** Finds the line and column where the JSON is invalid. JavaScript engines report the position differently, or not at all. */
function breakOf(text: string): string {
  const open: string[] = []
  for (let at = 0, wanted = VALUE; ; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at
    const token = TOKEN.exec(text)
    const kind = token?.[1] ?? (token?.[2] === undefined ? 'v' : '"')
    if (token === null || !wanted.includes(kind)) {
      const before = text.slice(0, at + text.slice(at).search(/[^ \t\n\r]|$/)).split('\n')
      return `line ${before.length}, column ${(before.at(-1) as string).length + 1}`
    }
    if (kind === '{' || kind === '[') open.push(kind)
    if (kind === '}' || kind === ']') open.pop()
    const inner = open.at(-1)
    const isKey = kind === '"' && !wanted.includes('v')
    if (kind === ',') wanted = inner === '{' ? '"' : VALUE
    else if (isKey) wanted = ':'
    else wanted = FOLLOWS[kind] ?? (inner === undefined ? '' : inner === '{' ? ',}' : ',]')
  }
}
