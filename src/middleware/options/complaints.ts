import { z } from 'zod'
import { SentinelError, type SentinelErrorCode } from '../../core/errors.js'
import { formatLimit } from '../../core/limit.js'
import { hintAt, nearest } from '../../core/nearest.js'
import { shown } from '../../core/show.js'
import { isSoundLimit } from '../../storage/contract/plan.js'
import { bare, formsOf, namesIn, type Part, partOf, type Schema, within } from './forms.js'

/*
 * Creates the errors for wrong options: they name the option and its value, and say how to mend it.
 */

/**
 * Checks options against their schema.
 *
 * @throws SentinelError `option.unknown` or `option.invalid` (or the code of the part that is wrong), naming the
 * option and its value, and saying how to mend it.
 */
export function parseOptions<S extends z.ZodType>(what: string, schema: S, input: unknown): z.output<S> {
  const result = schema.safeParse(input)
  if (result.success) return result.data
  throw told(result.error, schema, input, what)[0]
}

/** Returns every problem of options, each once. */
export function problemsOf(what: string, schema: z.ZodType, input: unknown): SentinelError[] {
  const result = schema.safeParse(input)
  return result.success ? [] : told(result.error, schema, input, what)
}

/** Names of options in other rate limiters, with the corresponding names here. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  timeFrame: 'limit',
  points: 'limit',
  duration: 'limit',
  keyGenerator: 'key',
  onLimitExceeded: 'deny',
}

/** Creates the error for an unknown option of the given options. */
export function unknownOption(
  path: string,
  name: string,
  known: readonly string[],
  given?: object,
): SentinelError {
  const list = known.length === 0 ? '' : ` Options: ${known.join(', ')}.`
  const hint = remedyFor(path, name, known, Object(given))
  return new SentinelError('option.unknown', `${path}: there is no such option.${hint}${list}`)
}

function remedyFor(
  path: string,
  name: string,
  known: readonly string[],
  {
    api,
    limit,
    timeFrame,
  }: { readonly api?: unknown; readonly limit?: unknown; readonly timeFrame?: unknown },
): string {
  // The first property of a context: grammY passes one to sentinel() if bot.use() was given the function uncalled.
  if (api !== undefined && name === 'update') {
    const guard = path.slice(0, -'.update'.length) || 'sentinel'
    return ` If this is a context, call the function: bot.use(${guard}()).`
  }
  const other = ELSEWHERE[name]
  if (other === undefined || !known.includes(other)) return hintAt(name, known)
  const meant = { amount: limit, per: timeFrame }
  return name === 'timeFrame' && isSoundLimit(meant)
    ? ` Write limit: '${formatLimit(meant)}'.`
    : hintAt(other, known)
}

/** Returns the path of something inside an option, such as `throttle[1].limit`. */
export function inside(path: string, key: PropertyKey): string {
  if (typeof key === 'number') return `${path}[${key}]`
  return path === '' ? String(key) : `${path}.${String(key)}`
}

type Issue = z.core.$ZodIssue

function told(error: z.ZodError, schema: Schema, input: unknown, what: string): SentinelError[] {
  const all = error.issues.flatMap((issue) => tell(schema, issue, issue.path, input, what))
  // Unknown names come first: a mistyped name is often why another option is missing.
  all.sort((a, b) => Number(b.code === 'option.unknown') - Number(a.code === 'option.unknown'))
  return [...new Map(all.map((problem) => [problem.message, problem])).values()]
}

/** Converts an issue to errors. Follows its path through the schema, since zod does not report which part is wrong. */
function tell(
  schema: Schema,
  issue: Issue,
  way: readonly PropertyKey[],
  value: unknown,
  path: string,
): SentinelError[] {
  const part = partOf(schema)
  const problems = tellPlainly(schema, part, issue, way, value, path)
  if (part?.read === undefined || problems.some(({ code }) => code === 'option.unknown')) return problems
  try {
    part.read(value, path)
  } catch (error) {
    if (error instanceof SentinelError) return [error]
    throw error
  }
  // The parser accepts the value but the schema does not: the option has a bound of its own.
  const { code = 'option.invalid' } = part
  return problems.map(({ message }) => new SentinelError(code, message))
}

function tellPlainly(
  schema: Schema,
  part: Part | undefined,
  issue: Issue,
  way: readonly PropertyKey[],
  value: unknown,
  path: string,
): SentinelError[] {
  // zod assumes the first form that fails late; here the form that was most likely meant is determined instead.
  const form = formMeant(schema, value)
  if (form !== undefined) {
    return form.issues.flatMap((inner) => tell(form.schema, inner, inner.path, value, path))
  }
  const [key, ...rest] = way
  const [child] = key === undefined ? [] : within(schema, String(key))
  if (key !== undefined && child !== undefined) {
    return tell(child, issue, rest, Reflect.get(value as object, key), inside(path, key))
  }
  if (issue.code === 'invalid_key' && key !== undefined) {
    const must = issue.issues.find(({ message }) => /^must /.test(message))?.message ?? 'must be another'
    const name = `${inside(path, key)}: the name ${shown(String(key))} is wrong; it ${must}.`
    return [new SentinelError('option.invalid', name)]
  }
  if (issue.code === 'unrecognized_keys') {
    const known = namesIn(schema)
    return issue.keys.map((name) => unknownOption(inside(path, name), name, known, value as object))
  }
  const words = issue.code === 'invalid_value' ? issue.values.filter((word) => typeof word === 'string') : []
  const must = /^must /.test(issue.message) ? issue.message : `must be ${wordsOf(schema)}`
  // What false turns off, {} turns on. Elsewhere {} changes nothing.
  const meant =
    typeof value === 'string'
      ? nearest(value, words)
      : value === true && /be false.* an object of options/.test(must)
        ? {}
        : undefined
  const isItem = typeof value === 'string' && isListOf(schema, value)
  const hint =
    meant === undefined && !isItem ? '' : ` Did you mean ${JSON.stringify(isItem ? [value] : meant)}?`
  const what = value === undefined ? 'is missing' : `${shown(value)} is wrong`
  const code = part?.code ?? onlyCodeOf(schema) ?? 'option.invalid'
  return [new SentinelError(code, `${path === '' ? 'options' : path}: ${what}; it ${must}.${hint}`)]
}

interface Form {
  readonly schema: Schema
  readonly issues: readonly Issue[]
  readonly weight: number
}

/**
 * Returns the form of a union that was most likely meant: among those that accept this type of value, the one with the fewest
 * problems. Undefined if the schema is not a union, or the value fits.
 */
function formMeant(schema: Schema, value: unknown): Form | undefined {
  const { def } = (bare(schema) as z.core.$ZodTypes)._zod
  if (def.type !== 'union') return undefined
  const [best] = def.options
    .filter((form) => formsOf(form).some((core) => takes(core, value)))
    .map((form) => complaintOf(form, value))
    .sort((a, b) => a.weight - b.weight)
  return best === undefined || best.issues.length === 0 ? undefined : best
}

function complaintOf(schema: Schema, value: unknown): Form {
  const issues = z.safeParse(schema, value).error?.issues ?? []
  const inner = formMeant(schema, value)
  // A name that is unknown in this form may be known in another.
  const weights = issues.map((issue) => (issue.code === 'unrecognized_keys' ? 1.5 * issue.keys.length : 1))
  return { schema, issues, weight: inner?.weight ?? weights.reduce((sum, weight) => sum + weight, 0) }
}

function takes(form: Schema, value: unknown): boolean {
  switch (form._zod.def.type) {
    case 'object':
    case 'record':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
    case 'array':
      return Array.isArray(value)
    case 'string':
    case 'enum':
      return typeof value === 'string'
    case 'number':
      return typeof value === 'number'
    case 'custom':
      // For a function, the complaint of its own schema (such as for an async one) is more helpful than a list of other forms.
      return typeof value === 'function' && partOf(form)?.read !== undefined
    default:
      return false
  }
}

/** Whether the value would be valid as a list with this single item. */
function isListOf(schema: Schema, item: unknown): boolean {
  const core = bare(schema) as z.core.$ZodTypes
  return core._zod.def.type === 'array' && z.safeParse(core, [item]).success
}

/** Returns the error code if exactly one form of a union has a code of its own. */
function onlyCodeOf(schema: Schema): SentinelErrorCode | undefined {
  const { def } = (bare(schema) as z.core.$ZodTypes)._zod
  if (def.type !== 'union') return undefined
  const codes = new Set(def.options.map((form) => partOf(form)?.code).filter((code) => code !== undefined))
  codes.delete('option.invalid')
  return codes.size === 1 ? [...codes][0] : undefined
}

/** Describes what a value must be. */
function wordsOf(schema: Schema): string {
  const part = partOf(schema)
  if (part !== undefined) return part.words
  const { def } = (bare(schema) as z.core.$ZodTypes)._zod
  switch (def.type) {
    case 'union':
      return listed(def.options.map(wordsOf))
    case 'boolean':
      return 'true or false'
    case 'string':
      return 'a text'
    case 'number':
      return 'a number'
    case 'literal':
      return listed(def.values.map((value) => JSON.stringify(value)))
    case 'enum':
      return oneOf(Object.values(def.entries).map(String))
    case 'array': {
      const words = wordsOf(def.element)
      return words === 'a text' ? 'a list of texts' : `a list, each item ${words}`
    }
    case 'object':
      return 'an object of options'
    default:
      return 'an object'
  }
}

/** Lists words to choose from. */
export function oneOf(words: readonly string[]): string {
  return listed(words.map((word) => JSON.stringify(word)))
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}
