import { isPromise, type MaybePromise } from '../core/check.js'
import { SentinelError } from '../core/errors.js'
import { later } from '../core/later.js'
import { shown } from '../core/show.js'
import type { Subject } from '../core/subject.js'
import type { Services } from '../middleware/services.js'
import { checkSpace } from '../storage/values.js'

const storing = later('guard.users.preferences', () => import('./stored-preferences.js'))

/**
 * What tells preferences from anything else: a schema of zod, or of any library that keeps to Standard Schema
 * (https://standardschema.dev), or a function that gives them, or throws.
 *
 * @example
 * ```ts
 * import type { PreferenceSchema } from 'grammy-sentinel'
 * import { z } from 'zod'
 *
 * const byZod: PreferenceSchema<{ quiet: boolean }> = z.object({ quiet: z.boolean().default(false) })
 * const byHand: PreferenceSchema<{ quiet: boolean }> = (given) => ({ quiet: Object(given).quiet === true })
 * ```
 */
export type PreferenceSchema<T> =
  | ((given: unknown) => T)
  | {
      readonly '~standard': {
        readonly validate: (
          given: unknown,
        ) => MaybePromise<
          { readonly value: T; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] }
        >
      }
    }

interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/**
 * Options of `guard.users.preferences()`.
 *
 * @example
 * ```ts
 * import { type PreferenceOptions, sentinel } from 'grammy-sentinel'
 * import { z } from 'zod'
 *
 * const schema = z.object({ language: z.string().default('en') })
 * const options: PreferenceOptions = {
 *   version: 2,
 *   // Version 1 called it `lang`.
 *   migrate: (stored, from) => (from === 1 ? { language: Object(stored).lang } : stored),
 * }
 * sentinel().users.preferences(schema, options)
 * ```
 */
export interface PreferenceOptions {
  /** The space of values that they are kept in: each kind of preferences has its own. @default 'preferences' */
  readonly name?: string
  /** Of the schema: raise it when what is stored has to be changed before it fits. A whole number from 1. @default 1 */
  readonly version?: number
  /** Makes what an earlier version stored fit. Must not change what it is given. @default as it is */
  readonly migrate?: (stored: unknown, from: number) => unknown
}

/**
 * The preferences of subjects: users, or chats. What nobody has set has the defaults of the schema.
 *
 * @example
 * ```ts
 * import { type Preferences, sentinel } from 'grammy-sentinel'
 * import { z } from 'zod'
 *
 * const schema = z.object({ language: z.string().default('en'), quiet: z.boolean().default(false) })
 * const preferences: Preferences<z.infer<typeof schema>> = sentinel().users.preferences(schema)
 * await preferences.patch(1234567, { quiet: true })
 * await preferences.get(1234567) // { language: 'en', quiet: true }
 * ```
 */
export interface Preferences<T extends object> {
  /**
   * What somebody prefers; what cannot be read is the defaults, and is told as an `error` event (`preference.invalid`, during
   * `preferences`), without what was in it.
   *
   * @throws SentinelError `subject.invalid`.
   */
  get(whom: Subject): Promise<T>
  /**
   * Keeps all of them, as the schema gives them back. What it is then.
   *
   * @throws SentinelError `preference.invalid` for what the schema refuses, `subject.invalid`, `value.invalid` for what is no JSON.
   */
  set(whom: Subject, preferences: T): Promise<T>
  /** Changes some of them, and leaves the rest; calls for one subject in one process wait for each other. Throws as `set()` does. */
  patch(whom: Subject, preferences: Partial<T>): Promise<T>
  /** Back to the defaults; whether anything was set. */
  reset(whom: Subject): Promise<boolean>
}

/** Preferences as options have them; where they are kept, and how they are read. */
export interface PreferenceSettings<T extends object> {
  readonly name: string
  readonly version: number
  readonly migrate: PreferenceOptions['migrate']
  readonly reader: PreferenceReader<T>
}

/** Reads preferences by a schema. */
export class PreferenceReader<T extends object> {
  constructor(private readonly schema: PreferenceSchema<T>) {}

  read(given: unknown): MaybePromise<T> {
    const { schema } = this
    if (typeof schema === 'function') return this.checked(schema(given))
    const answer = schema['~standard']?.validate(given)
    if (answer === undefined) throw new SentinelError('option.invalid', NO_SCHEMA)
    return isPromise(answer) ? answer.then((told) => this.answered(told)) : this.answered(answer)
  }

  private answered(
    answer: { readonly value: T; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] },
  ): T {
    if (answer.issues === undefined) return this.checked(answer.value)
    // Names of fields and what is wrong, not what was in them.
    const problems = answer.issues.slice(0, 5).map(({ message, path = [] }) => {
      const field = path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
      return field === '' ? message : `${field}: ${message}`
    })
    throw this.refused(problems.join('; '))
  }

  private checked(value: T): T {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
    throw this.refused(`the schema gave ${shown(value)}, which is no object`)
  }

  refused(problem: string): SentinelError {
    return new SentinelError('preference.invalid', `preferences: ${problem}.`)
  }
}

/** Checks at once what a developer gives; what somebody prefers is asked for later. */
export class CheckedPreferences<T extends object> implements Preferences<T> {
  private readonly settings: PreferenceSettings<T>
  private stored: Preferences<T> | undefined

  /**
   * @throws SentinelError `preference.invalid` for a schema without defaults, `option.invalid`, `value.invalid`.
   */
  constructor(
    private readonly services: () => Services,
    schema: PreferenceSchema<T>,
    options: PreferenceOptions,
  ) {
    const { name = 'preferences', version = 1, migrate } = options
    checkSpace(name)
    if (!Number.isInteger(version) || version < 1) {
      throw new SentinelError(
        'option.invalid',
        `preferences.version: ${shown(version)} must be a whole number from 1.`,
      )
    }
    if (migrate !== undefined && typeof migrate !== 'function') {
      throw new SentinelError('option.invalid', `preferences.migrate: ${shown(migrate)} is no function.`)
    }
    const reader = new PreferenceReader(schema)
    this.settings = { name, version, migrate, reader }
    const defaults = reader.read({})
    // One that answers later is found out about when it is first asked.
    if (isPromise(defaults)) defaults.catch(() => undefined)
  }

  async get(whom: Subject): Promise<T> {
    return (await this.load()).get(whom)
  }

  async set(whom: Subject, preferences: T): Promise<T> {
    return (await this.load()).set(whom, preferences)
  }

  async patch(whom: Subject, preferences: Partial<T>): Promise<T> {
    return (await this.load()).patch(whom, preferences)
  }

  async reset(whom: Subject): Promise<boolean> {
    return (await this.load()).reset(whom)
  }

  private async load(): Promise<Preferences<T>> {
    const { StoredPreferences } = await storing.load()
    this.stored ??= new StoredPreferences(this.services, this.settings)
    return this.stored
  }
}

const NO_SCHEMA =
  'preferences: that is no schema. Pass one of zod (z.object({ … })) or of another library of Standard Schema, or a function.'

/**
 * Refuses what is no schema, or has no defaults.
 *
 * @throws SentinelError `option.invalid`.
 */
export function checkSchemaOf(schema: unknown): void {
  if (typeof schema === 'function') return
  const standard = (Object(schema) as { '~standard'?: { validate?: unknown } })['~standard']
  if (typeof standard?.validate !== 'function') throw new SentinelError('option.invalid', NO_SCHEMA)
}
