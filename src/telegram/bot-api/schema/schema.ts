import type { ApiMethods } from 'grammy/types'
import { SentinelError } from '../../../core/errors.js'
import { getOrInsert } from '../../../core/maps.js'
import { hintAt } from '../../../core/nearest.js'
import { type Expression, type Field, parseExpression } from './expression.js'
import { METHODS, TYPES } from './generated/index.js'

/** A method of the Bot API, in Telegram's spelling. */
export type MethodName = keyof typeof METHODS

/** Causes a compile error if grammY has a method that the generated files lack. */
type Missing = Exclude<keyof ApiMethods, MethodName>
const nothingIsMissing: [Missing] extends [never] ? true : Missing = true

export const METHOD_NAMES = nothingIsMissing && (Object.keys(METHODS) as readonly MethodName[])
export const TYPE_NAMES: readonly string[] = Object.keys(TYPES)

const BY_LOWER_CASE = new Map(METHOD_NAMES.map((name) => [name.toLowerCase(), name]))

/** Looks a method up; names are case-insensitive. */
export function methodNamed(name: string): MethodName | undefined {
  return BY_LOWER_CASE.get(name.toLowerCase())
}

const sources = new Map<string, string>(Object.entries(TYPES))
const parsed = new Map<string, Expression>()

/** Returns a named type. Parsed on first use, because few tests need all types. */
export function typeNamed(name: string): Expression {
  return getOrInsert(parsed, name, () => {
    const source = sources.get(name)
    if (source === undefined) throw new Error(`the Bot API has no type ${name}`)
    return parseExpression(source)
  })
}

/** @throws SentinelError `telegram.invalid` for an unknown method, suggesting a similar name. */
export function knownMethod(name: string, asker: string): MethodName {
  const method = methodNamed(name)
  if (method !== undefined) return method
  const hint = hintAt(name, METHOD_NAMES)
  throw new SentinelError(
    'telegram.invalid',
    `${asker}: Telegram has no method ${JSON.stringify(name)}.${hint}`,
  )
}

interface Signature {
  readonly parameters: ReadonlyMap<string, Field>
  readonly result: Expression
}

const signatures = new Map<MethodName, Signature>()

export function signatureOf(method: MethodName): Signature {
  return getOrInsert(signatures, method, () => {
    const [taken = '', answered = ''] = METHODS[method].split(' => ')
    const parameters = fieldsOf(parseExpression(taken))
    if (parameters === undefined) throw new Error(`the parameters of ${method} are no object`)
    return { parameters, result: parseExpression(answered) }
  })
}

/** The fields of an object, including inherited ones; undefined for other types and for unions. */
export function fieldsOf(expression: Expression): ReadonlyMap<string, Field> | undefined {
  switch (expression.kind) {
    case 'object':
      return new Map(expression.fields.map((field) => [field.name, field]))
    case 'name':
      return fieldsOf(typeNamed(expression.name))
    case 'both': {
      const merged = new Map<string, Field>()
      for (const part of expression.of) {
        const fields = fieldsOf(part)
        if (fields === undefined) return undefined
        // A later declaration is more specific; a field is required if any part requires it.
        for (const [name, field] of fields) {
          const optional = field.optional && (merged.get(name)?.optional ?? true)
          merged.set(name, { ...field, optional })
        }
      }
      return merged
    }
    default:
      return undefined
  }
}

/** The alternatives of a union, flattened; a single one for other types. */
export function alternativesOf(expression: Expression): readonly Expression[] {
  if (expression.kind === 'union') return expression.of.flatMap(alternativesOf)
  if (expression.kind !== 'name') return [expression]
  const named = typeNamed(expression.name)
  return named.kind === 'union' ? alternativesOf(named) : [expression]
}

/** The literals of a type that consists only of literals; otherwise undefined. */
export function literalsOf(expression: Expression): ReadonlySet<string | number | boolean> | undefined {
  const literals = alternativesOf(expression).map((one) => (one.kind === 'name' ? typeNamed(one.name) : one))
  const values = literals.flatMap((one) => (one.kind === 'literal' ? [one.value] : []))
  return values.length === literals.length ? new Set(values) : undefined
}

/** The field that distinguishes the alternatives of a union, with the alternatives for each of its values. */
export function discriminatorOf(
  alternatives: readonly Expression[],
): { readonly field: string; readonly byValue: ReadonlyMap<unknown, readonly Expression[]> } | undefined {
  const objects = alternatives.map(fieldsOf)
  const [first] = objects
  if (first === undefined || objects.includes(undefined) || objects.length < 2) return undefined
  for (const [field, { optional }] of first) {
    if (optional) continue
    const byValue = new Map<unknown, Expression[]>()
    const areLiterals = objects.every((fields, index) => {
      const found = fields?.get(field)
      const values = found === undefined || found.optional ? undefined : literalsOf(found.type)
      for (const value of values ?? [])
        byValue.set(value, [...(byValue.get(value) ?? []), alternatives[index] as Expression])
      return values !== undefined
    })
    if (areLiterals && byValue.size > 1) return { field, byValue }
  }
  return undefined
}
