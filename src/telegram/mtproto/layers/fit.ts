import { TlError, type TlObject, type TlValue } from '../../../mtproto/protocol/tl/object.js'
import type { Combinator, Field, Schema } from '../../../mtproto/protocol/tl/schema.js'

/** Replacements for constructors that an older layer lacks. */
const STANDS_FOR: ReadonlyMap<string, (object: TlObject) => TlObject> = new Map([
  ['messageMediaVideoStream', () => ({ _: 'messageMediaUnsupported' })],
])

/**
 * Converts a value to what a client of an older layer understands: unknown fields are omitted, required fields that no longer
 * exist are filled with empty values, and new constructors are dropped from lists and optional fields.
 *
 * @throws TlError if nothing can be left of the value.
 */
export function fitted(schema: Schema, value: TlValue): TlValue {
  const found = tried(schema, value)
  if (found === undefined) throw new TlError(`${nameOf(value)} is not known in layer ${schema.layer}`)
  return found
}

function tried(schema: Schema, value: TlValue): TlValue | undefined {
  if (Array.isArray(value)) {
    return value.map((item: TlValue) => tried(schema, item)).filter((item) => item !== undefined)
  }
  if (typeof value !== 'object' || !('_' in value)) return value
  const object = value as TlObject
  const combinator = schema.byName(object._)
  if (combinator !== undefined) return fittedFields(schema, combinator, object)
  const stands = STANDS_FOR.get(object._)
  return stands === undefined ? undefined : tried(schema, stands(object))
}

function fittedFields(schema: Schema, combinator: Combinator, object: TlObject): TlObject | undefined {
  const result: Record<string, TlValue> = Object.create(null)
  result._ = object._
  for (const field of combinator.arguments) {
    if (field.type === '#') continue
    const given = object[field.name]
    const isOptional = field.typeModifiers?.predicate !== undefined
    const found = given === undefined ? undefined : asAsked(field, tried(schema, given))
    if (found !== undefined) result[field.name] = found
    else if (!isOptional) {
      const nothing = nothingOf(field)
      // A required field that cannot be expressed makes the whole object inexpressible.
      if (nothing === undefined) return undefined
      result[field.name] = nothing
    }
  }
  return result as TlObject
}

/** Converts to the field's former type: texts with entities were plain strings, some longs were ints. */
function asAsked({ type, typeModifiers }: Field, value: TlValue | undefined): TlValue | undefined {
  if (typeModifiers?.isVector === true || value === undefined) return value
  const isObject = typeof value === 'object' && '_' in value
  if (type === 'string' && isObject) return (value as TlObject).text
  if (type === 'int' && typeof value === 'bigint') return Number(BigInt.asIntN(32, value))
  return value
}

/** An empty value for a required field that no longer exists. */
function nothingOf({ type, typeModifiers }: Field): TlValue | undefined {
  if (typeModifiers?.isVector === true || typeModifiers?.isBareVector === true) return []
  switch (type) {
    case 'int':
    case 'double':
      return 0
    case 'long':
    case 'int53':
      return 0n
    case 'string':
      return ''
    case 'bytes':
      return Buffer.alloc(0)
    case 'Bool':
      return false
    default:
      return undefined
  }
}

function nameOf(value: TlValue): string {
  return typeof value === 'object' && '_' in value ? String((value as TlObject)._) : 'a value'
}
