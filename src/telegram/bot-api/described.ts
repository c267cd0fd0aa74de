import { getOrInsert } from '../../core/maps.js'
import type { Expression } from './schema/expression.js'
import { alternativesOf, fieldsOf, type MethodName, signatureOf } from './schema/schema.js'

/** How to interpret a string in a form. */
type Reading = 'structure' | 'number' | 'boolean' | 'text'

const readings = new Map<MethodName, ReadonlyMap<string, Reading>>()

/**
 * Converts a parameter for the call log by its type in the method, so that a call looks the same whether it came as JSON or as a
 * form, where every value is a string. Unknown parameters are interpreted by their form.
 */
export function describedAs(method: MethodName, name: string, value: unknown): unknown {
  const reading = readingsOf(method).get(name)
  // A number for a string or boolean parameter is treated like a form value.
  const asText = typeof value === 'number' && (reading === 'text' || reading === 'boolean')
  if (asText) return describedAs(method, name, String(value))
  if (typeof value !== 'string') return value
  switch (reading) {
    case 'text':
      return value
    case 'boolean':
      return FLAGS.get(value.toLowerCase()) ?? value
    default: {
      const read = jsonIn(value)
      return reading === undefined || kindOf(read) === reading ? read : value
    }
  }
}

/** Same values as in `Params.flag`. */
const FLAGS = new Map([
  ['true', true],
  ['yes', true],
  ['1', true],
  ['false', false],
  ['no', false],
  ['0', false],
])

function readingsOf(method: MethodName): ReadonlyMap<string, Reading> {
  return getOrInsert(readings, method, () => {
    const parameters = [...signatureOf(method).parameters.values()]
    return new Map(parameters.map(({ name, type }) => [name, readingOf(type)]))
  })
}

/** For "id or name" of a chat, a numeric value counts as an id. */
function readingOf(type: Expression): Reading {
  const kinds = alternativesOf(type).map((one) =>
    one.kind === 'list' || fieldsOf(one) !== undefined
      ? 'structure'
      : one.kind === 'literal'
        ? typeof one.value
        : one.kind,
  )
  return (['structure', 'number', 'boolean'] as const).find((kind) => kinds.includes(kind)) ?? 'text'
}

/** Parses JSON; returns the text itself unless it is an object, array, boolean or exactly representable number. */
function jsonIn(text: string): unknown {
  try {
    const read: unknown = JSON.parse(text)
    const isInexact = Number.isInteger(read) && !Number.isSafeInteger(read)
    return isInexact || kindOf(read) === 'text' ? text : read
  } catch {
    return text
  }
}

function kindOf(value: unknown): Reading {
  if (typeof value === 'number' || typeof value === 'boolean') return typeof value as 'number' | 'boolean'
  return typeof value === 'object' && value !== null ? 'structure' : 'text'
}
