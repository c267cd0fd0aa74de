import { TlError, type TlObject, type TlValue } from '../../../mtproto/protocol/tl/object.js'
import type { Combinator, Field, Schema } from '../../../mtproto/protocol/tl/schema.js'

/** What stands for a constructor that a client does not know, if something else tells the same or that there is something. */
const STANDS_FOR: ReadonlyMap<string, (object: TlObject) => TlObject> = new Map([
  ['messageMediaVideoStream', () => ({ _: 'messageMediaUnsupported' })],
])

/**
 * What a client of an older layer can be told of a value: fields it does not know are left out as it is written; what is asked for
 * no longer is said to be nothing; what is new stands in no list and no field that need not be there.
 *
 * @throws TlError where nothing would be left of it.
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
      // Without what it must have there is nothing to tell of it.
      if (nothing === undefined) return undefined
      result[field.name] = nothing
    }
  }
  return result as TlObject
}

/** Texts became texts with entities; they were texts before. */
function asAsked({ type, typeModifiers }: Field, value: TlValue | undefined): TlValue | undefined {
  if (typeModifiers?.isVector === true || value === undefined) return value
  const isObject = typeof value === 'object' && '_' in value
  if (type === 'string' && isObject) return (value as TlObject).text
  if (type === 'int' && typeof value === 'bigint') return Number(BigInt.asIntN(32, value))
  return value
}

/** What a field was given that nobody has anything for any longer. */
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
