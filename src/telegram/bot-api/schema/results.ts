import { getOrInsert } from '../../../core/maps.js'
import type { Expression } from './expression.js'
import {
  alternativesOf,
  discriminatorOf,
  fieldsOf,
  literalsOf,
  type MethodName,
  signatureOf,
  typeNamed,
} from './schema.js'

/** A mismatch between a value and its type: the place and the expected type. */
export interface Problem {
  /** For example `.chat.type` or `[2].text`; empty for the value itself. */
  readonly path: string
  readonly expected: string
}

type Check = (value: unknown) => Problem | undefined

const byMethod = new Map<MethodName, Check>()
const byName = new Map<string, Check>()

/** Checks the result of a method against its type in @grammyjs/types. */
export function problemOfResult(method: MethodName, result: unknown): Problem | undefined {
  return getOrInsert(byMethod, method, () => checkOf(signatureOf(method).result))(result)
}

/** Checks a value against a named type. */
export function problemOfType(name: string, value: unknown): Problem | undefined {
  return checkNamed(name)(value)
}

/** Checks the content of an update of this kind. */
export function problemOfUpdate(kind: string, payload: unknown): Problem | undefined {
  const check = getOrInsert(byName, `Update ${kind}`, () => {
    const type = fieldsOf(typeNamed('Update'))?.get(kind)?.type
    return type === undefined ? () => wrong('an update that exists') : checkOf(type)
  })
  return check(payload)
}

/** Compiled on first use, because types refer to each other in cycles. */
function checkNamed(name: string): Check {
  return getOrInsert(byName, name, () => {
    let compiled: Check | undefined
    return (value) => {
      compiled ??= checkOf(typeNamed(name), name)
      return compiled(value)
    }
  })
}

function checkOf(expression: Expression, name?: string): Check {
  switch (expression.kind) {
    case 'string':
      return (value) => (typeof value === 'string' ? undefined : wrong('a String'))
    case 'number':
      return (value) => (typeof value === 'number' && Number.isFinite(value) ? undefined : wrong('a Number'))
    case 'boolean':
      return (value) => (typeof value === 'boolean' ? undefined : wrong('a Boolean'))
    case 'literal': {
      const { value: wanted } = expression
      return (value) => (value === wanted ? undefined : wrong(JSON.stringify(wanted)))
    }
    // `InputFile` occurs only in parameters, never in results.
    case 'file':
    case 'never':
      return () => wrong('nothing')
    case 'name':
      return checkNamed(expression.name)
    case 'list':
      return checkOfList(checkOf(expression.of))
    case 'union':
      return checkOfUnion(expression)
    default:
      return checkOfObject(expression, name)
  }
}

function wrong(expected: string): Problem {
  return { path: '', expected }
}

function checkOfList(check: Check): Check {
  return (value) => {
    if (!Array.isArray(value)) return wrong('an Array')
    for (let index = 0; index < value.length; index++) {
      const problem = check(value[index])
      if (problem !== undefined) return { ...problem, path: `[${index}]${problem.path}` }
    }
    return undefined
  }
}

function checkOfUnion(expression: Expression): Check {
  const literals = literalsOf(expression)
  if (literals !== undefined)
    return (value) =>
      literals.has(value as string) ? undefined : wrong(`one of ${[...literals].join(', ')}`)
  const alternatives = alternativesOf(expression)
  const discriminator = discriminatorOf(alternatives)
  if (discriminator !== undefined) {
    const { field, byValue } = discriminator
    const checks = new Map(
      [...byValue].map(([value, some]) => [value, anyOf(some.map((one) => checkOf(one)))]),
    )
    return (value) => {
      const check = checks.get(Reflect.get(Object(value), field))
      if (check !== undefined) return check(value)
      return { path: `.${field}`, expected: `one of ${[...checks.keys()].join(', ')}` }
    }
  }
  return anyOf(alternatives.map((one) => checkOf(one)))
}

/** If no alternative fits, reports the problem at the longest path, which is the most informative one. */
function anyOf(checks: readonly Check[]): Check {
  const [only] = checks
  if (checks.length === 1 && only !== undefined) return only
  return (value) => {
    let best: Problem | undefined
    for (const check of checks) {
      const problem = check(value)
      if (problem === undefined) return undefined
      if (best === undefined || problem.path.length > best.path.length) best = problem
    }
    return best
  }
}

function checkOfObject(expression: Expression, name: string | undefined): Check {
  const fields = fieldsOf(expression)
  if (fields === undefined) throw new Error(`no object: ${name ?? JSON.stringify(expression).slice(0, 80)}`)
  const demanded = [...fields.values()].filter(({ optional, type }) => !optional && type.kind !== 'never')
  const types = new Map([...fields].map(([field, { type }]) => [field, type]))
  // Types of specific messages list only their own fields, but such a message may have any field of Message.
  if (types.has('message_id') && types.has('date') && types.has('chat') && name !== 'Message')
    for (const [field, { type }] of fieldsOf(typeNamed('Message')) ?? [])
      if (!types.has(field)) types.set(field, type)
  // Compiled on first use: most of a message's hundred fields never occur.
  const checks = new Map<string, Check>()
  const compiled = (field: string): Check | undefined => {
    const type = types.get(field)
    if (type === undefined) return undefined
    const check = checkOf(type)
    checks.set(field, check)
    return check
  }
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return wrong('an Object')
    const object = value as Record<string, unknown>
    for (const key in object) {
      const given = object[key]
      // JSON omits undefined values.
      if (given === undefined) continue
      const check = checks.get(key) ?? compiled(key)
      if (check === undefined) return { path: `.${key}`, expected: 'nothing: there is no such field' }
      const problem = check(given)
      if (problem !== undefined) return { ...problem, path: `.${key}${problem.path}` }
    }
    for (const { name: field } of demanded)
      if (object[field] === undefined) return { path: `.${field}`, expected: 'a value' }
    return undefined
  }
}
