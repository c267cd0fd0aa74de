import type { Context } from 'grammy'
import { z } from 'zod'
import { type Duration, type DurationUnit, type Ms, parseDuration } from '../core/duration.js'
import { SentinelError, type SentinelErrorCode } from '../core/errors.js'
import { ACTIVITIES } from '../core/facts.js'
import { type Limit, type LimitInput, MOST_AMOUNT, parseLimit } from '../core/limit.js'
import { shown } from '../core/show.js'
import { type Key, type Subject, subjectKey } from '../core/subject.js'
import type { Denial } from './denial.js'

/*
 * The parts that options are made of, and how a wrong one is told. Options are checked once, when a guard is made.
 */

type Schema = z.core.$ZodType

/** What is known of a part beside its schema. Those made from it by `.meta()`, `.refine()` and so on inherit it. */
interface Part {
  /** After "must be". */
  readonly words: string
  readonly code?: SentinelErrorCode
  /** Throws for a wrong value, in the words of the parser that knows best. */
  readonly read?: (value: unknown, what: string) => unknown
}

const parts = z.registry<Part>()

/** An option that may be left out, with what an editor shows of it. */
export function option<S extends z.ZodType>(
  schema: S,
  description: string,
  usual?: unknown,
): z.ZodOptional<S> {
  // `default` would be dropped beside a part that is transformed; this is where zod itself keeps those of inputs.
  const meta = usual === undefined ? { description } : { description, _prefault: usual }
  return schema.optional().meta(meta)
}

/** A function of the developer's. What it takes and returns is the type's business. */
export function callable<F>(): z.ZodType<F, F> {
  return given<F>('a function', (value) => typeof value === 'function')
}

/** Something that only code can give: a schema of a file admits nothing in its place. */
export function given<T>(words: string, test: (value: unknown) => boolean): z.ZodType<T, T> {
  const schema = z.custom<T>(test, `must be ${words}`).meta({ not: {} })
  return schema.register(parts, { words, code: 'option.invalid' })
}

const SPAN = { words: 'a duration such as "10s"', code: 'duration.invalid', read: parseDuration } as const

const spanText = z.string().meta({
  pattern: '^(\\d+(\\.\\d+)?(ms|s|m|h|d|w))+$',
  examples: ['500ms', '10s', '1m', '1h30m'],
}) as unknown as z.ZodType<
  `${number}${DurationUnit}` | `${number}${DurationUnit}${number}${DurationUnit}`,
  Exclude<Duration, number>
>
const span = z
  .union([spanText, z.number().min(0)])
  .register(parts, { ...SPAN, read: (value, what) => parseDuration(value as Duration, what) })

/** A span of time, read into milliseconds. */
export const duration: z.ZodType<Ms, Duration> = transformed(span, (value) => parseDuration(value, ''), {
  ...SPAN,
  read: (value, what) => parseDuration(value as Duration, what),
})

const WHOLE = `must be a whole number from 1 to ${MOST_AMOUNT}`
const whole = z.number(WHOLE).int(WHOLE).min(1, WHOLE).max(MOST_AMOUNT, WHOLE)
const limitText = z.string().meta({
  pattern:
    '^\\s*\\d+\\s*/\\s*((\\d+(\\.\\d+)?\\s*(ms|s|m|h|d|w)\\s*)+|(ms|s|m|h|d|w)\\s*)(\\(\\s*burst\\s*\\d+\\s*\\)\\s*)?$',
  examples: ['20/1m', '5/10s', '60/1m (burst 30)'],
}) as unknown as z.ZodType<`${number}/${string}`, `${number}/${string}`>
const limitObject = z.strictObject({
  amount: whole.meta({ description: 'How much.' }),
  per: span.meta({ description: 'Per how long: a duration such as "1m", up to 366 days.' }),
  burst: option(whole, 'How much may come at once. Default: as much as amount.'),
})

/** A limit, read into amount, span and burst. */
export const limit: z.ZodType<Limit, LimitInput> = transformed(
  z.union([limitText, limitObject]),
  (value) => parseLimit(value, ''),
  {
    words: 'a limit such as "20/1m"',
    code: 'limit.invalid',
    read: (value, what) => parseLimit(value as LimitInput, what),
  },
)

const subjectParts = z.union([
  z.number().int().meta({ description: 'A user id.' }),
  z.object({
    kind: z.enum(['user', 'chat', 'sender', 'member', 'command', 'own', 'global']),
    id: z.number().int().optional(),
    name: z.string().optional(),
    actor: z.unknown().optional(),
  }),
]) as unknown as z.ZodType<Subject, Subject>
const SUBJECT: Part = {
  words: 'a Telegram id',
  code: 'subject.invalid',
  read(value, what) {
    try {
      return subjectKey(value as Subject)
    } catch (error) {
      // It does not know which option it was given to.
      const message = (error as Error).message.replace(/^[^:]*/, what)
      throw new SentinelError('subject.invalid', message, { cause: error })
    }
  },
}

/** Whom an option names, read into a key. */
export const subject: z.ZodType<Key, Subject> = transformed(subjectParts, subjectKey, SUBJECT)

export const activities = z.array(z.enum(ACTIVITIES)).min(1, 'must name at least one').readonly()

/** One of a few words, for which there is a code of its own. */
export function word<const W extends readonly string[]>(words: W, code: SentinelErrorCode) {
  return z.enum(words).register(parts, { words: oneOf(words), code })
}

/** What all guards that refuse may be told. */
export const refusal = {
  deny: option(
    z.union([z.enum(['silent', 'notice']), callable<Denial<Context>>()]),
    'How whoever is stopped is answered.',
    'notice',
  ),
  noticeEvery: option(duration, 'One notice in so long.', '1m'),
  shadow: option(z.boolean(), 'Judged, counted and told to listeners, never refusing.', false),
}

/**
 * Checks options against their schema.
 *
 * @throws SentinelError `option.unknown` or `option.invalid` (or the code of the part that is wrong), naming the
 * option, the value and the mend.
 */
export function parseOptions<S extends z.ZodType>(what: string, schema: S, input: unknown): z.output<S> {
  const result = schema.safeParse(input)
  if (result.success) return result.data
  throw told(result.error, schema, input, what)[0]
}

/** Everything that is wrong with options, each told once. */
export function problemsOf(what: string, schema: z.ZodType, input: unknown): SentinelError[] {
  const result = schema.safeParse(input)
  return result.success ? [] : told(result.error, schema, input, what)
}

/** The schemas of what an option holds under a name or index: none if there is no such thing. */
export function within(schema: Schema, key: string): readonly Schema[] {
  return formsOf(schema).flatMap((branch) => {
    const { def } = (branch as z.core.$ZodTypes)._zod
    if (def.type === 'object') return Object.hasOwn(def.shape, key) ? [def.shape[key] as Schema] : []
    if (def.type === 'record') return z.safeParse(def.keyType, key).success ? [def.valueType] : []
    return def.type === 'array' && /^(0|[1-9]\d{0,2})$/.test(key) ? [def.element] : []
  })
}

/** The names that an option has within, of all its forms; not those that are for editors. */
export function namesIn(schema: Schema): string[] {
  const names = formsOf(schema).flatMap((branch) => {
    const { def } = (branch as z.core.$ZodTypes)._zod
    return def.type === 'object' ? Object.keys(def.shape) : []
  })
  return [...new Set(names)].filter((name) => !name.startsWith('$'))
}

/** The one that was meant, if any is but a slip away. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let least = Math.min(2, Math.ceil(name.length / 2)) + 1
  for (const candidate of known) {
    const slips = distance(name.toLowerCase(), candidate.toLowerCase())
    if (slips >= least) continue
    best = candidate
    least = slips
  }
  return best
}

/** How an error points at something inside: `throttle[1].limit`. */
export function inside(path: string, key: PropertyKey): string {
  if (typeof key === 'number') return `${path}[${key}]`
  return path === '' ? String(key) : `${path}.${String(key)}`
}

function transformed<S extends z.ZodType, O>(
  schema: S,
  read: (value: z.output<S>) => O,
  part: Part,
): z.ZodType<O, z.input<S>> {
  const pipe = schema.transform((value, ctx) => {
    try {
      return read(value)
    } catch (error) {
      if (!(error instanceof SentinelError)) throw error
      ctx.addIssue({ code: 'custom', message: `must be ${part.words}` })
      return z.NEVER
    }
  })
  return (pipe as z.ZodType).register(parts, part) as unknown as z.ZodType<O, z.input<S>>
}

type Issue = z.core.$ZodIssue

function told(error: z.ZodError, schema: Schema, input: unknown, what: string): SentinelError[] {
  const all = error.issues.flatMap((issue) => tell(schema, issue, issue.path, input, what))
  // What is unknown comes first: it is why something else is missing.
  all.sort((a, b) => Number(b.code === 'option.unknown') - Number(a.code === 'option.unknown'))
  return [...new Map(all.map((problem) => [problem.message, problem])).values()]
}

/** An issue, in our words. Goes down its path with the schema, since zod tells neither of the part that is wrong. */
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
  // The parser takes it, the schema does not: a bound of this option's own.
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
  // Whatever zod made of it: it takes the first form that fails late for the one that was meant.
  const form = formMeant(schema, value)
  if (form !== undefined) {
    return form.issues.flatMap((inner) => tell(form.schema, inner, inner.path, value, path))
  }
  const [key, ...rest] = way
  const [child] = key === undefined ? [] : within(schema, String(key))
  if (key !== undefined && child !== undefined) {
    return tell(child, issue, rest, Reflect.get(value as object, key), inside(path, key))
  }
  if (issue.code === 'unrecognized_keys') {
    const known = namesIn(schema)
    return issue.keys.map((name) => unknownOption(inside(path, name), name, known))
  }
  const words = issue.code === 'invalid_value' ? issue.values.filter((word) => typeof word === 'string') : []
  const meant = typeof value === 'string' ? nearest(value, words) : undefined
  const must = /^must /.test(issue.message) ? issue.message : `must be ${wordsOf(schema)}`
  const hint = meant === undefined ? '' : ` Did you mean ${JSON.stringify(meant)}?`
  const what = value === undefined ? 'is missing' : `${shown(value)} is wrong`
  const code = part?.code ?? onlyCodeOf(schema) ?? 'option.invalid'
  return [new SentinelError(code, `${path === '' ? 'options' : path}: ${what}; it ${must}.${hint}`)]
}

/** The error for a name that there is not. */
export function unknownOption(path: string, name: string, known: readonly string[]): SentinelError {
  const meant = nearest(name, known)
  const hint = meant === undefined ? '' : ` Did you mean "${meant}"?`
  const list = known.length === 0 ? '' : ` There are ${known.join(', ')}.`
  return new SentinelError('option.unknown', `${path}: there is no such option.${hint}${list}`)
}

interface Form {
  readonly schema: Schema
  readonly issues: readonly Issue[]
  readonly weight: number
}

/**
 * The form of a union that was meant: of those that take such a value at all, the one with least to complain of.
 * Undefined where there is no choice, or nothing to complain of.
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
  // A name that is unknown here may be known in another form.
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
    default:
      return false
  }
}

/** The schema inside all that wraps it. */
function bare(schema: Schema): Schema {
  const inner = innerOf(schema)
  return inner === undefined ? schema : bare(inner)
}

function innerOf(schema: Schema): Schema | undefined {
  const { def } = (schema as z.core.$ZodTypes)._zod
  switch (def.type) {
    case 'optional':
    case 'readonly':
      return def.innerType
    case 'pipe':
      return def.in
    default:
      return undefined
  }
}

function partOf(schema: Schema): Part | undefined {
  const part = parts.get(schema as z.ZodType)
  if (part !== undefined) return part
  const inner = innerOf(schema)
  return inner === undefined ? undefined : partOf(inner)
}

/** Every form an option may have. */
export function formsOf(schema: Schema): readonly Schema[] {
  const core = bare(schema)
  const { def } = (core as z.core.$ZodTypes)._zod
  return def.type === 'union' ? def.options.flatMap(formsOf) : [core]
}

/** The code to give where no form takes such a value, but one has a code of its own. */
function onlyCodeOf(schema: Schema): SentinelErrorCode | undefined {
  const { def } = (bare(schema) as z.core.$ZodTypes)._zod
  if (def.type !== 'union') return undefined
  const codes = new Set(def.options.map((form) => partOf(form)?.code).filter((code) => code !== undefined))
  codes.delete('option.invalid')
  return codes.size === 1 ? [...codes][0] : undefined
}

/** What a value must be, in words. */
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
    case 'array':
      return `a list, each item ${wordsOf(def.element)}`
    case 'object':
      return 'an object of options'
    default:
      return 'an object'
  }
}

function oneOf(words: readonly string[]): string {
  return listed(words.map((word) => JSON.stringify(word)))
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}

/** Levenshtein's, a row at a time. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(swap, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}

const TOKEN =
  /[ \t\n\r]*(?:([[\]{},:])|("(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[\dA-Fa-f]{4}))*")|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[Ee][+-]?\d+)?|true|false|null)/y
const VALUE = '"v{['
const FOLLOWS: Readonly<Record<string, string>> = { '{': '"}', '[': `${VALUE}]`, ':': VALUE }

/** The line and column where JSON breaks off. Engines tell it in words of their own, or not at all. */
export function breakOf(text: string): string {
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
