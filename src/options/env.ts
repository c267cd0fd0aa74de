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
import { isPlain, over, spelledOut } from './layer.js'
import { optionsSchema, type SentinelOptions } from './schema.js'

/**
 * Reads options from variables such as `SENTINEL__THROTTLE__LIMIT=20/1m`: the names of an option joined by two
 * underscores, in any case, with single ones where a word begins (`NOTICE_EVERY`). A list is written with commas
 * (`SENTINEL__EXEMPT__USERS=1,2`) or by index (`SENTINEL__THROTTLE__0__NAME`). What is empty is not given; names of
 * roles are in lower case.
 *
 * @param env Such as `process.env`.
 * @param prefix What the names begin with. Default: 'SENTINEL'.
 * @throws SentinelError naming the variable: `option.unknown`, without its value, or as `sentinel()` does.
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

/** One step of the names of variables, and what one of them says there. */
interface Twig {
  readonly variable: string
  readonly twigs: Map<string, Twig>
  list: boolean
  value?: unknown
}

/** As {@link fromEnv}, with all that is wrong. */
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
        // Not those that only code can give: their names would help nobody here.
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
      // Its value is not shown: a storage's address may hold a password.
      problems.push(new SentinelError('option.invalid', `${name}: can be given in code only.`))
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
  // Of languages, whose parts are joined by a hyphen, which a variable cannot have.
  const free = [name, name.replaceAll('_', '-')]
  return own ?? free.find((key) => key !== '' && schemas.some((schema) => within(schema, key).length > 0))
}

function variableName(option: string): string {
  return option.replace(/[A-Z]/g, '_$&').toUpperCase()
}

const WORDS = new Map(Object.entries({ true: true, on: true, false: false, off: false }))

/** What a text stands for: whatever the option takes, as a text at last. */
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
