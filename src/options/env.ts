import { z } from 'zod'
import { SentinelError } from '../core/errors.js'
import {
  formsOf,
  isCodeOnly,
  namesIn,
  problemsOf,
  type Schema,
  unknownOption,
  within,
} from '../middleware/options/schema.js'
import { over, spelledOut } from './layer.js'
import { isPlain } from './plain.js'
import { optionsSchema, type SentinelOptions } from './schema.js'

/**
 * Reads options from environment variables such as `SENTINEL__THROTTLE__LIMIT=20/1m`. Two underscores separate the levels of an
 * option, a single underscore separates words (`NOTICE_EVERY`); case does not matter. Lists are separated by commas
 * (`SENTINEL__EXEMPT__USERS=1,2`) or given by index (`SENTINEL__THROTTLE__0__NAME`). Empty variables are ignored. Names of roles
 * are read in lower case.
 *
 * @param env The variables, such as `process.env`.
 * @param prefix The first part of each name. Default: 'SENTINEL'.
 * @throws SentinelError naming the variable: `option.unknown`, which does not show the value; otherwise the errors of
 * `sentinel()`.
 *
 * @example
 * ```ts
 * import { fromEnv, sentinel } from 'grammy-sentinel'
 *
 * const guard = sentinel(fromEnv({ SENTINEL__THROTTLE: '20/1m', SENTINEL__DEBOUNCE: 'false' }))
 * ```
 */
export function fromEnv(
  env: Readonly<Record<string, string | undefined>>,
  prefix = 'SENTINEL',
): SentinelOptions {
  const { options, problems } = readEnv(env, prefix)
  if (problems[0] !== undefined) throw problems[0]
  return options
}

type Env = Readonly<Record<string, string | undefined>>

/** A node in the tree of variable names, with the value of the variable that ends here. */
interface Twig {
  readonly variable: string
  readonly twigs: Map<string, Twig>
  list: boolean
  value?: unknown
}

/** Reads options like {@link fromEnv}, but collects all problems instead of throwing the first. */
export function readEnv(env: Env, prefix: string): { options: SentinelOptions; problems: SentinelError[] } {
  const problems: SentinelError[] = []
  const root: Twig = { variable: prefix, twigs: new Map(), list: false }
  for (const [name, text] of Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!text || !name.toUpperCase().startsWith(`${prefix.toUpperCase()}__`)) continue
    let schemas: readonly Schema[] = [optionsSchema]
    let twig = root
    for (const segment of name.slice(prefix.length + 2).split('__')) {
      const known = schemas.flatMap(namesIn)
      const key = keyOf(segment, schemas, known)
      const variable = `${twig.variable}__${segment}`
      if (key === undefined) {
        // Options that only code can give are not suggested: no variable can set them.
        const others = known.filter(
          (other) => !isCodeOnly(schemas.flatMap((schema) => within(schema, other))),
        )
        const names = others.map((other) => `${twig.variable}__${variableName(other)}`)
        problems.push(unknownOption(name, variable, names))
        schemas = []
        break
      }
      const inner = twig.twigs.get(key) ?? { variable, twigs: new Map(), list: false }
      twig.list ||= schemas.flatMap(formsOf).some(isList) && !known.includes(key)
      twig.twigs.set(key, inner)
      twig = inner
      schemas = schemas.flatMap((schema) => within(schema, key))
    }
    const [schema] = schemas
    if (schema === undefined) continue
    if (isCodeOnly(schemas)) {
      // The value is not shown: the address of a storage may contain a password.
      problems.push(new SentinelError('option.invalid', `${name}: can only be set in code.`))
    } else if (twig.value !== undefined) problems.push(contradiction(name, twig.variable))
    else {
      twig.value = meaning(text, schemas)
      if (!fits(twig.value, schemas)) problems.push(...problemsOf(name, schema as z.ZodType, twig.value))
    }
  }
  const options = grown(root, problems) ?? {}
  return { options: problems.length === 0 ? (options as SentinelOptions) : {}, problems }
}

function keyOf(segment: string, schemas: readonly Schema[], known: readonly string[]): string | undefined {
  const name = segment.toLowerCase()
  const own = known.find((key) => key.toLowerCase() === name.replaceAll('_', ''))
  // Variable names cannot contain hyphens, but language tags such as `pt-br` do.
  const free = [name, name.replaceAll('_', '-')]
  return own ?? free.find((key) => key !== '' && schemas.some((schema) => within(schema, key).length > 0))
}

function variableName(option: string): string {
  return option.replace(/[A-Z]/g, '_$&').toUpperCase()
}

const WORDS = new Map(Object.entries({ true: true, on: true, false: false, off: false }))

/** Converts a text to the type that the option takes: boolean, number, text or list. Falls back to the text itself. */
function meaning(text: string, schemas: readonly Schema[]): unknown {
  const forms = [WORDS.get(text.toLowerCase()), /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : undefined, text]
  const form = forms.find((value) => value !== undefined && fits(value, schemas))
  if (form !== undefined) return form
  const items = schemas.flatMap((schema) => within(schema, '0'))
  if (items.length === 0) return text
  const list = text.split(',').map((item) => meaning(item.trim(), items))
  return fits(list, schemas) || schemas.flatMap(formsOf).every(isList) ? list : text
}

function isList(form: Schema): boolean {
  return form._zod.def.type === 'array'
}

function fits(value: unknown, schemas: readonly Schema[]): boolean {
  return schemas.some((schema) => z.safeParse(schema, value).success)
}

function grown(twig: Twig, problems: SentinelError[], name = ''): unknown {
  const { twigs, value, variable, list } = twig
  const [first] = twigs.values()
  if (first === undefined) return value
  const held = [...twigs].map(([key, inner]) => [key, grown(inner, problems, key)] as const)
  const short = spelledOut(name, value)
  if (value !== undefined && (list || !isPlain(short))) problems.push(contradiction(variable, first.variable))
  if (!list) return over(isPlain(short) ? short : undefined, Object.fromEntries(held))
  const named = [...twigs].find(([key]) => !/^\d+$/.test(key))?.[1]
  const gap = held.findIndex((_, index) => !twigs.has(String(index)))
  if (named !== undefined) problems.push(contradiction(named.variable, first.variable))
  else if (gap >= 0) {
    const message = `${variable}__${gap}: is missing; items are counted from 0, without a gap.`
    problems.push(new SentinelError('option.invalid', message))
  }
  return held.sort(([a], [b]) => Number(a) - Number(b)).map(([, item]) => item)
}

function contradiction(one: string, other: string): SentinelError {
  return new SentinelError('option.invalid', `${one}: contradicts ${other}. Keep one of the two.`)
}
