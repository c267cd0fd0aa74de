import { isPromise, type MaybePromise } from '../core/check.js'
import { SentinelError } from '../core/errors.js'
import { later } from '../core/later.js'
import { shown } from '../core/show.js'
import type { Subject } from '../core/subject.js'
import type { Services } from '../middleware/services.js'
import { checkSpace } from '../storage/values.js'

const storing = later('guard.users.preferences', () => import('./stored-preferences.js'))

/**
 * Checks preferences: a schema of zod or of any other library that implements Standard Schema (https://standardschema.dev), or a
 * function that returns the preferences or throws.
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
  /** The space of values that holds them. Each kind of preferences needs its own. @default 'preferences' */
  readonly name?: string
  /** Version of the schema, a whole number from 1. Raise it when stored preferences need `migrate` to fit. @default 1 */
  readonly version?: number
  /** Converts preferences that an earlier version stored. Must not modify its argument. @default unchanged */
  readonly migrate?: (stored: unknown, from: number) => unknown
}

/**
 * The preferences of users or chats. Fields that are not set have the defaults of the schema.
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
   * Returns the preferences of a subject. If stored preferences cannot be read, returns the defaults and emits an `error` event
   * (`preference.invalid`, during `preferences`) without their content.
   *
   * @throws SentinelError `subject.invalid`.
   */
  get(whom: Subject): Promise<T>
  /**
   * Stores all preferences, in the form that the schema returns, and returns them.
   *
   * @throws SentinelError `preference.invalid` if the schema rejects them, `subject.invalid`, `value.invalid` if they are not
   * JSON.
   */
  set(whom: Subject, preferences: T): Promise<T>
  /** Changes some preferences and returns all. Calls for one subject run one after the other in one process. Throws as `set()` does. */
  patch(whom: Subject, preferences: Partial<T>): Promise<T>
  /** Restores the defaults; returns whether anything was set. */
  reset(whom: Subject): Promise<boolean>
}

/** The checked options of preferences. */
export interface PreferenceSettings<T extends object> {
  readonly name: string
  readonly version: number
  readonly migrate: PreferenceOptions['migrate']
  readonly reader: PreferenceReader<T>
}

/** Reads preferences with a schema. */
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
    // Reports field names and problems, but no values.
    const problems = answer.issues.slice(0, 5).map(({ message, path = [] }) => {
      const field = path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
      return field === '' ? message : `${field}: ${message}`
    })
    throw this.refused(problems.join('; '))
  }

  private checked(value: T): T {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
    throw this.refused(`the schema returned ${shown(value)}, which is not an object`)
  }

  refused(problem: string): SentinelError {
    return new SentinelError('preference.invalid', `preferences: ${problem}.`)
  }
}

/** Checks schema and options at once, and loads the code that reads preferences on demand. */
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
        `preferences.version: ${shown(version)} must be a whole number of 1 or more.`,
      )
    }
    if (migrate !== undefined && typeof migrate !== 'function') {
      throw new SentinelError('option.invalid', `preferences.migrate: ${shown(migrate)} is not a function.`)
    }
    const reader = new PreferenceReader(schema)
    this.settings = { name, version, migrate, reader }
    const defaults = reader.read({})
    // If an asynchronous schema rejects, the error shows at the first use of the preferences.
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
  'preferences: that is not a schema. Pass a Standard Schema, such as z.object({ … }) of zod, or a function.'

/**
 * Rejects a value that is not a schema.
 *
 * @throws SentinelError `option.invalid`.
 */
export function checkSchemaOf(schema: unknown): void {
  if (typeof schema === 'function') return
  const standard = (Object(schema) as { '~standard'?: { validate?: unknown } })['~standard']
  if (typeof standard?.validate !== 'function') throw new SentinelError('option.invalid', NO_SCHEMA)
}
