import type { Context } from 'grammy'
import { z } from 'zod'
import type { Clock } from './core/clock.js'
import type { Duration } from './core/duration.js'
import { SentinelError } from './core/errors.js'
import { type LimitInput, parseLimit } from './core/limit.js'
import { shown } from './core/show.js'
import { type AuthOptions, authOptions } from './middleware/auth.js'
import { type BlockOptions, block, blockOptions } from './middleware/block.js'
import { type DebounceOptions, debounceOptions, readDebounce } from './middleware/debounce.js'
import { type ExemptOptions, exemptOptions } from './middleware/exemptions.js'
import type { Timers } from './middleware/house.js'
import { type NoticeOptions, noticeOptions } from './middleware/notices.js'
import { type OnceOptions, onceOptions } from './middleware/once.js'
import {
  breakOf,
  callable,
  duration,
  formsOf,
  given,
  inside,
  limit,
  namesIn,
  option,
  problemsOf,
  unknownOption,
  within,
} from './middleware/schema.js'
import { readThrottle, type ThrottleOptions, throttleOptions } from './middleware/throttle.js'
import type { Storage } from './storage/storage.js'

/** What is no tree of options, but a thing of its own. */
const OPAQUE: readonly string[] = ['storage', 'clock', 'timers']

const off = z.literal(false)
const storage = given<Storage>('a storage, such as memory()', (value) => has(value, 'prepare', 'marks'))
const timers = given<Timers>('timers: an object with after(ms, run)', (value) => has(value, 'after'))

/** What holds unless told otherwise. */
export const DEFAULTS = frozen({
  block: {},
  once: {},
  auth: false,
  throttle: { limit: { amount: 60, per: '1m', burst: 30 } },
  debounce: { window: '500ms', on: ['tap'] },
  membership: true,
  exempt: {},
  notices: {},
  shadow: false,
} as const satisfies SentinelOptions)

const throttles = [throttleOptions.partial({ limit: true }), z.array(throttleOptions).readonly()] as const

/** Every option of `sentinel()`. Published as JSON Schema, for the files that {@link fromJson} reads. */
export const optionsSchema = z.strictObject({
  $schema: option(z.string(), 'Where an editor finds the schema of a file. Ignored.'),
  name: option(z.string().min(1, 'must be a name'), 'Names the state. Default: by order of making.'),
  storage: option(storage, 'Keeps the state. In code only. Default: memory.'),
  block: option(z.union([off, blockOptions]), 'The block list.', DEFAULTS.block),
  once: option(z.union([off, onceOptions]), 'Handles a redelivered update once.', DEFAULTS.once),
  auth: option(z.union([off, authOptions]), 'Lets in only the registered, or holders of a role.', false),
  throttle: option(z.union([off, limit, ...throttles]), 'How much may come from whom.', DEFAULTS.throttle),
  debounce: option(z.union([off, duration, debounceOptions]), 'Makes one of many.', DEFAULTS.debounce),
  membership: option(z.boolean(), 'Observes who comes and goes.', true),
  exempt: option(exemptOptions, 'Who is let off.'),
  notices: option(noticeOptions, 'What is said to whoever is stopped, and how often.'),
  shadow: option(z.boolean(), 'All is judged, counted and told, and nothing refused.', false),
  clock: option(callable<Clock>(), 'Tells the time in milliseconds since 1970. In code only.'),
  timers: option(timers, 'Schedules delayed work. In code only.'),
})

/**
 * Options of `sentinel()`. All are optional; what is left out holds its default, object by object: giving
 * `throttle: { scope: 'chat' }` keeps the default limit. Lists and limits are replaced as a whole.
 *
 * @example
 * ```ts
 * import { type SentinelOptions, sentinel } from 'grammy-sentinel'
 *
 * const options: SentinelOptions = {
 *   throttle: { limit: '20/1m', penalty: { bans: ['10m', '1h'] } },
 *   debounce: '1s',
 *   exempt: { owner: 1234567, chatAdmins: true },
 *   notices: { texts: { de: { limited: 'Langsam! Wieder in {wait}.' } } },
 * }
 * sentinel(options)
 * ```
 */
export interface SentinelOptions<C extends Context = Context> {
  /** Where an editor finds the schema of a file of options. Ignored. */
  readonly $schema?: string | undefined
  /** Names the state, where several sentinels share one storage. @default by order of making */
  readonly name?: string | undefined
  /** Keeps the state. @default memory */
  readonly storage?: Storage | undefined
  /** The block list; `false` turns it off. @default on */
  readonly block?: false | BlockOptions | undefined
  /** Handles a redelivered update once; `false` turns it off. @default on */
  readonly once?: false | OnceOptions | undefined
  /** Lets in only who is registered, or holds a role; `{}` turns it on. @default false */
  readonly auth?: false | AuthOptions<C> | undefined
  /**
   * Limits how much comes from whom: a limit, {@link ThrottleOptions}, or several with names of their own. `false` turns it
   * off. @default { limit: { amount: 60, per: '1m', burst: 30 } }
   */
  readonly throttle?:
    | false
    | LimitInput
    | (Omit<ThrottleOptions<C>, 'limit'> & Partial<Pick<ThrottleOptions<C>, 'limit'>>)
    | readonly ThrottleOptions<C>[]
    | undefined
  /**
   * Makes one of what comes twice, or in pieces: a window, or {@link DebounceOptions}. `false` turns it off. Under
   * `mode: 'trailing'` nothing is left of the default. @default { window: '500ms', on: ['tap'] }
   */
  readonly debounce?: false | Duration | DebounceOptions<C> | undefined
  /** Observes who comes and goes. @default true */
  readonly membership?: boolean | undefined
  /** Who is let off. @default nobody */
  readonly exempt?: ExemptOptions | undefined
  /** What is said to whoever is stopped, and how often. */
  readonly notices?:
    | (Omit<NoticeOptions, 'budget'> & {
        /** Notices of this worker at most. @default '20/1s' */
        readonly budget?: LimitInput | undefined
      })
    | undefined
  /** All guards are judged, counted and told to listeners, and refuse nothing. @default false */
  readonly shadow?: boolean | undefined
  /** Tells the time in milliseconds since 1970. @default Date.now */
  readonly clock?: Clock | undefined
  /** Schedules delayed work. @default setTimeout */
  readonly timers?: Timers | undefined
}

/** Options that were checked, with every default. They may be layered over and read again. */
export interface ResolvedOptions<C extends Context = Context> {
  readonly name?: string
  readonly storage?: Storage
  readonly block: false | BlockOptions
  readonly once: false | OnceOptions
  readonly auth: false | AuthOptions<C>
  readonly throttle: false | ThrottleOptions<C> | readonly ThrottleOptions<C>[]
  readonly debounce: false | DebounceOptions<C>
  readonly membership: boolean
  readonly exempt: ExemptOptions
  readonly notices: NoticeOptions
  readonly shadow: boolean
  readonly clock?: Clock
  readonly timers?: Timers
}

/**
 * Checks options and adds the defaults. What comes back is frozen, but for functions and storages, and is a copy.
 *
 * @throws SentinelError naming the option, the value and the mend: `option.unknown`, `option.invalid`,
 * `limit.invalid`, `limit.duplicate`, `duration.invalid`, `scope.unknown`, `subject.invalid`.
 */
export function readOptions<C extends Context = Context>(input: SentinelOptions<C> = {}): ResolvedOptions<C> {
  const [problem] = checkOptions(input)
  if (problem !== undefined) throw problem
  const { $schema, ...options } = withDefaults(input as SentinelOptions)
  const { budget, ...notices } = options.notices ?? {}
  const read = budget === undefined ? notices : { ...notices, budget: parseLimit(budget) }
  return frozen({ ...options, notices: read }) as ResolvedOptions as ResolvedOptions<C>
}

/** Everything that is wrong with options. What concerns several of them is looked at once each is right by itself. */
export function checkOptions(input: unknown): SentinelError[] {
  const problems = problemsOf('', optionsSchema, input)
  if (problems.length > 0) return problems
  const { block: blocking, throttle, debounce } = withDefaults(input as SentinelOptions)
  const check = (read: () => unknown): void => {
    try {
      read()
    } catch (error) {
      if (!(error instanceof SentinelError)) throw error
      problems.push(error)
    }
  }
  if (blocking) check(() => block(blocking))
  const taken = new Map<string, string>()
  const limits = Array.isArray(throttle) ? throttle : throttle === false ? [] : [throttle]
  limits.forEach((one: ThrottleOptions, index) => {
    const what = Array.isArray(throttle) ? inside('throttle', index) : 'throttle'
    check(() => readThrottle(one, what))
    const name = one.name ?? one.scope ?? 'user'
    const other = taken.get(name)
    if (other === undefined) taken.set(name, what)
    else {
      const message = `${what}.name: "${name}" is the name of ${other} already. Give it another, such as "${name}2".`
      problems.push(new SentinelError('limit.duplicate', message))
    }
  })
  if (debounce) check(() => readDebounce(debounce))
  return problems
}

/** Options with every default, as {@link layer} writes them. */
export function withDefaults(input: SentinelOptions): SentinelOptions {
  const options = layer(input)
  const { throttle, debounce } = options
  return {
    ...DEFAULTS,
    ...options,
    ...(isPlain(throttle) ? { throttle: { ...DEFAULTS.throttle, ...throttle } } : {}),
    // Taps cannot be gathered: of the default nothing would be left to keep.
    ...(isPlain(debounce) && !('mode' in debounce && debounce.mode === 'trailing')
      ? { debounce: { ...DEFAULTS.debounce, ...debounce } }
      : {}),
  } as SentinelOptions
}

/**
 * Lays options over options: the later win, key by key. Lists, limits and subjects are replaced as a whole, and what
 * is undefined replaces nothing. Short forms are written out: `throttle: '20/1m'` becomes `{ limit: '20/1m' }`.
 *
 * Checks nothing; `sentinel()` does. Keys such as `__proto__` in a file reach no prototype.
 *
 * @throws SentinelError `option.invalid` for options that are no object.
 *
 * @example
 * ```ts
 * import { fromEnv, fromJson, layer, sentinel } from 'grammy-sentinel'
 *
 * const file = fromJson('{ "throttle": "20/1m" }')
 * const env = fromEnv({ SENTINEL__THROTTLE__SCOPE: 'chat' })
 * sentinel(layer(file, env, { exempt: { owner: 1234567 } }))
 * ```
 */
export function layer<C extends Context = Context>(
  ...options: readonly SentinelOptions<C>[]
): SentinelOptions<C> {
  return options.reduce<object>((under, upper) => {
    if (!isPlain(upper)) {
      throw new SentinelError('option.invalid', `options: ${shown(upper)} is wrong; it must be an object.`)
    }
    const entries = Object.entries(upper).map(([key, value]) => [key, spelledOut(key, value)] as const)
    return over(under, Object.fromEntries(entries), OPAQUE)
  }, {})
}

/** Objects that took the place of something else: laid over anything, they take its place too, whoever is first. */
const whole = new WeakSet<object>()

function over(under: unknown, upper: object, opaque: readonly string[] = []): object {
  const base = isPlain(under) && !isWhole(upper) ? under : {}
  const merged = new Map<string, unknown>(Object.entries(base))
  for (const [key, value] of Object.entries(upper)) {
    if (value === undefined) continue
    merged.set(key, isPlain(value) && !opaque.includes(key) ? over(merged.get(key), value) : value)
  }
  // Defines keys and assigns none, so that `__proto__` is a key like any other: unknown, once it is checked.
  const result = Object.fromEntries(merged)
  if (isWhole(upper) || (isPlain(under) ? whole.has(under) : under !== undefined)) whole.add(result)
  return result
}

/** A limit and a subject are one value: half of one and half of another would be neither. */
function isWhole(value: object): boolean {
  return whole.has(value) || has(value, 'per') || has(value, 'kind')
}

function spelledOut(option: string, value: unknown): unknown {
  const limit = typeof value === 'string' || (isPlain(value) && has(value, 'per'))
  if (option === 'throttle' && limit) return { limit: value }
  const window = typeof value === 'string' || typeof value === 'number'
  return option === 'debounce' && window ? { window: value } : value
}

function has(value: unknown, ...names: readonly string[]): boolean {
  return names.every((name) => Reflect.get(Object(value), name) !== undefined)
}

/** A tree of options, as opposed to a list or somebody's instance. */
function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  // Any realm's Object.prototype has none above it.
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function frozen<T>(value: T, opaque: readonly string[] = OPAQUE): T {
  if (Array.isArray(value)) return Object.freeze(value.map((held) => frozen(held, []))) as T
  if (!isPlain(value)) return value
  const entries = Object.entries(value).map(
    ([key, held]) => [key, opaque.includes(key) ? held : frozen(held, [])] as const,
  )
  return Object.freeze(Object.fromEntries(entries)) as T
}

/**
 * Reads options from JSON.
 *
 * @throws SentinelError `option.invalid` with line and column where it is no JSON; else as `sentinel()` does.
 *
 * @example
 * ```ts
 * import { fromJson, sentinel } from 'grammy-sentinel'
 *
 * const guard = sentinel(fromJson('{ "throttle": "20/1m", "exempt": { "users": [1234567] } }'))
 * ```
 */
export function fromJson(text: string): SentinelOptions {
  const options = parseJson(text)
  const [problem] = checkOptions(options)
  if (problem !== undefined) throw problem
  return options as SentinelOptions
}

/** What is in a file of options, unchecked. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new SentinelError('option.invalid', `${breakOf(text)}: JSON breaks off here. Look before it, too.`)
  }
}

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
type Schema = z.core.$ZodType

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
        const others = known.map((other) => `${twig.variable}__${variableName(other)}`)
        problems.push(unknownOption(name, variable, others))
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
    if (schemas.flatMap(formsOf).every(({ _zod }) => _zod.def.type === 'custom')) {
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
