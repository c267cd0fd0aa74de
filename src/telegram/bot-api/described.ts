import type { Expression } from './schema/expression.js'
import { alternativesOf, fieldsOf, type MethodName, signatureOf } from './schema/schema.js'

/** What a text in a form stands for. */
type Reading = 'structure' | 'number' | 'boolean' | 'text'

const readings = new Map<MethodName, ReadonlyMap<string, Reading>>()

/**
 * A parameter as a recorded call has it: by the type that the method gives it, so that a call reads the same whether it came as JSON
 * or in a form, where everything is a text. What Telegram does not know is read by its look.
 */
export function describedAs(method: MethodName, name: string, value: unknown): unknown {
  const reading = readingsOf(method).get(name)
  // A number where Telegram reads a text or a flag is what it would be in a form.
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

/** As Telegram reads them: `Params.flag`. */
const FLAGS = new Map([
  ['true', true],
  ['yes', true],
  ['1', true],
  ['false', false],
  ['no', false],
  ['0', false],
])

function readingsOf(method: MethodName): ReadonlyMap<string, Reading> {
  let known = readings.get(method)
  if (known === undefined) {
    const parameters = [...signatureOf(method).parameters.values()]
    known = new Map(parameters.map(({ name, type }) => [name, readingOf(type)]))
    readings.set(method, known)
  }
  return known
}

/** Of a chat's id or name, an id is a number. */
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

/** What a text says as JSON; itself, if that is no object, list, flag or number that can be told exactly. */
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
