import { getOrInsert } from '../../../core/maps.js'
import type { Expression, Field } from './expression.js'
import {
  alternativesOf,
  discriminatorOf,
  fieldsOf,
  literalsOf,
  type MethodName,
  signatureOf,
  typeNamed,
} from './schema.js'

/**
 * Checks parameters as leniently as Telegram: unknown fields are ignored, numbers may be strings and vice versa, and enumerated
 * values are left to the method. The error texts are those of tdlib/telegram-bot-api (Client.cpp) and of its JSON reader
 * (tdutils/td/utils/JsonBuilder.cpp).
 */
interface GivenParameters {
  has(name: string): boolean
  /** The parameter as an object or array, parsed if it came as a JSON string. */
  json(name: string): unknown
}

/** Names of types in error texts; other types appear under their own name. */
const CALLED = new Map([
  ['InlineKeyboardMarkup', 'reply markup'],
  ['ReplyKeyboardMarkup', 'reply markup'],
  ['LabeledPrice', 'labeled price'],
  ['ShippingOption', 'shipping option'],
  ['ChatPermissions', 'chat permissions'],
  ['MaskPosition', 'mask position'],
  ['MenuButton', 'menu button'],
  ['InlineQueryResult', 'inline query result'],
  ['ReplyParameters', 'reply parameters'],
  ['LinkPreviewOptions', 'link preview options'],
])

/** Never checked, because Telegram ignores invalid values of these. */
const UNCHECKED: ReadonlySet<string> = new Set(['allowed_updates'])

/** Checked where they are used: Telegram requires fewer of their fields than the type has. */
const READ_LATER: ReadonlySet<string> = new Set(['MessageEntity'])

type Complaint = string | undefined
type Check = (value: unknown) => Complaint

const byMethod = new Map<MethodName, readonly (readonly [string, Check])[]>()
const byName = new Map<string, Check>()

/** Returns Telegram's error text, beginning in lower case; undefined if the parameters are valid. */
export function complaintAbout(method: MethodName, given: GivenParameters): string | undefined {
  for (const [name, check] of checksOf(method)) {
    if (!given.has(name)) continue
    const complaint = check(given.json(name))
    if (complaint !== undefined) return complaint
  }
  return undefined
}

/** Checks for the parameters that are objects or arrays; Telegram accepts any value of the others. */
function checksOf(method: MethodName): readonly (readonly [string, Check])[] {
  return getOrInsert(byMethod, method, () =>
    [...signatureOf(method).parameters.values()]
      .filter(({ name, type }) => !UNCHECKED.has(name) && alternativesOf(type).every(isStructure))
      .map(({ name, type }) => [name, checkOfParameter(name, type)] as const),
  )
}

function isStructure(expression: Expression): boolean {
  return expression.kind === 'list' || fieldsOf(expression) !== undefined
}

function checkOfParameter(name: string, type: Expression): Check {
  const check = checkOf(type)
  const called = name.replaceAll('_', ' ')
  const alternatives = alternativesOf(type)
  const [first] = alternatives
  if (first?.kind === 'list') {
    const calledEntry = calledOf(first.of)
    return (value) => {
      if (!Array.isArray(value)) return `expected an Array of ${calledEntry ?? called}`
      const complaint = check(value)
      return complaint === undefined ? undefined : `can't parse ${calledEntry ?? called}: ${complaint}`
    }
  }
  const calledType = alternatives.length === 1 ? calledOf(type) : undefined
  return (value) => {
    if (!isObject(value)) return `object expected as ${called}`
    const complaint = check(value)
    return complaint === undefined ? undefined : `can't parse ${calledType ?? called}: ${complaint}`
  }
}

function calledOf(expression: Expression): string | undefined {
  return expression.kind === 'name' ? (CALLED.get(expression.name) ?? expression.name) : undefined
}

function checkNamed(name: string): Check {
  if (READ_LATER.has(name)) return (value) => (isObject(value) ? undefined : 'expected an Object')
  return getOrInsert(byName, name, () => {
    let compiled: Check | undefined
    return (value) => {
      compiled ??= checkOf(typeNamed(name))
      return compiled(value)
    }
  })
}

function checkOf(expression: Expression): Check {
  switch (expression.kind) {
    case 'list': {
      const check = checkOf(expression.of)
      return (value) => {
        if (!Array.isArray(value)) return 'expected an Array'
        return first(value, check)
      }
    }
    case 'union':
      return checkOfUnion(expression)
    case 'name':
      return checkNamed(expression.name)
    case 'object':
    case 'both':
      return checkOfObject(expression)
    default:
      return (value) => (fits(expression, value) ? undefined : `expected ${nounOf(expression)}`)
  }
}

function first(values: readonly unknown[], check: Check): Complaint {
  for (const value of values) {
    const complaint = check(value)
    if (complaint !== undefined) return complaint
  }
  return undefined
}

function checkOfUnion(expression: Expression): Check {
  if (literalsOf(expression) !== undefined) return () => undefined
  const alternatives = alternativesOf(expression)
  const discriminator = discriminatorOf(alternatives)
  if (discriminator === undefined) return anyOf(alternatives)
  const { field, byValue } = discriminator
  const checks = new Map([...byValue].map(([value, some]) => [value, anyOf(some)]))
  return (value) => {
    if (!isObject(value)) return 'expected an Object'
    const given = value[field]
    if (given === undefined) return `Can't find field "${field}"`
    return (checks.get(given) ?? (() => `type "${String(given)}" is unsupported`))(value)
  }
}

/** For objects that have no discriminator, Telegram checks the fields that are present; the method decides which object is meant. */
function anyOf(alternatives: readonly Expression[]): Check {
  const [only] = alternatives
  if (alternatives.length === 1 && only !== undefined) return checkOf(only)
  const objects = alternatives.flatMap((one) => fieldsOf(one) ?? [])
  if (objects.length === alternatives.length) return checkOfFields(inCommon(objects))
  const checks = alternatives.map(checkOf)
  return (value) => {
    let complaint: Complaint
    for (const check of checks) {
      complaint = check(value)
      if (complaint === undefined) return undefined
    }
    return complaint
  }
}

/** Merges the fields of several objects; a field is required only if every object requires it. */
function inCommon(objects: readonly ReadonlyMap<string, Field>[]): ReadonlyMap<string, Field> {
  const names = new Set(objects.flatMap((fields) => [...fields.keys()]))
  return new Map(
    [...names].map((name) => {
      const found = objects.map((fields) => fields.get(name))
      const types = found.flatMap((field) =>
        field === undefined || field.type.kind === 'never' ? [] : field.type,
      )
      const optional = found.some(
        (field) => field === undefined || field.optional || field.type.kind === 'never',
      )
      return [name, { name, optional, type: { kind: 'union', of: types } }]
    }),
  )
}

function checkOfObject(expression: Expression): Check {
  const fields = fieldsOf(expression)
  if (fields === undefined) throw new Error('no object')
  return checkOfFields(fields)
}

function checkOfFields(fields: ReadonlyMap<string, Field>): Check {
  const checks = [...fields.values()]
    .filter(({ type }) => type.kind !== 'never')
    .map((field) => [field, checkOfField(field)] as const)
  return (value) => {
    if (!isObject(value)) return 'expected an Object'
    // A missing boolean counts as false (JsonObject::get_optional_bool_field).
    for (const [{ name, optional, type }, check] of checks) {
      const given = value[name]
      if (given !== undefined && given !== null) {
        const complaint = check(given)
        if (complaint !== undefined) return complaint
      } else if (!optional && type.kind !== 'boolean') return `Can't find field "${name}"`
    }
    return undefined
  }
}

/** For plain values Telegram's error names the field; for objects and arrays it names the problem inside. */
function checkOfField({ name, type }: Field): Check {
  const alternatives = alternativesOf(type)
  if (!alternatives.some((one) => fits(one, undefined) !== undefined)) return checkOf(type)
  return (value) =>
    alternatives.some((one) => fits(one, value) ?? checkOf(one)(value) === undefined)
      ? undefined
      : `Field "${name}" must be ${nounOf(alternatives[0] as Expression)}`
}

/** Whether a plain value is accepted for this type; undefined if the type is not plain. */
function fits(expression: Expression, value: unknown): boolean | undefined {
  switch (expression.kind) {
    case 'string':
    case 'file':
      return typeof value === 'string' || typeof value === 'number'
    case 'number':
      return (typeof value === 'number' || typeof value === 'string') && isNumber(value)
    case 'boolean':
      return typeof value === 'boolean'
    case 'literal':
      // Which literal it is, is left to the method.
      return (
        typeof value === typeof expression.value || (typeof expression.value === 'number' && isNumber(value))
      )
    case 'name':
      return literalsOf(expression) === undefined ? undefined : typeof value === 'string'
    default:
      return undefined
  }
}

function isNumber(value: unknown): boolean {
  return (
    value !== '' && (typeof value === 'number' || typeof value === 'string') && Number.isFinite(Number(value))
  )
}

function nounOf(expression: Expression): string {
  const kind = expression.kind === 'literal' ? typeof expression.value : expression.kind
  return `of type ${kind === 'number' ? 'Number' : kind === 'boolean' ? 'Boolean' : 'String'}`
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
