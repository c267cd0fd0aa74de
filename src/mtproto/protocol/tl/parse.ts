import { TlError } from './object.js'
import type { Combinator, Field, Modifiers } from './schema.js'

/**
 * Parses a line of a schema in Telegram's notation, such as `poll#58747131 id:long flags:# closed:flags.0?true = Poll`
 * (https://core.telegram.org/mtproto/TL).
 *
 * @throws TlError for an invalid line.
 */
export function parseCombinator(line: string, kind: Combinator['kind']): Combinator {
  const [, name, id, fields = '', type] = /^(\S+)#([0-9a-f]{1,8})( .*)? = (.+)$/.exec(line) ?? []
  if (name === undefined || id === undefined || type === undefined)
    throw new TlError(`not a line of TL: ${line}`)
  const named = fields.split(' ').filter((field) => field !== '' && !field.startsWith('{'))
  return { kind, name, id: Number.parseInt(id, 16), type, arguments: named.map(parseField) }
}

function parseField(text: string): Field {
  const [, name, predicate, vector, type] =
    /^(\w+):(?:(\w+\.\d+)\?)?(?:([Vv])ector<)?([!#\w.%]+)>?$/.exec(text) ?? []
  if (name === undefined || type === undefined) throw new TlError(`not a field of TL: ${text}`)
  const modifiers: Modifiers = {
    ...(predicate !== undefined && { predicate }),
    ...(vector === 'V' && { isVector: true }),
    ...(vector === 'v' && { isBareVector: true }),
  }
  return { name, type, ...(Object.keys(modifiers).length > 0 && { typeModifiers: modifiers }) }
}
