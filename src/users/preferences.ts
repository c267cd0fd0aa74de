import { isPromise } from '../core/check.js'
import { SentinelError } from '../core/errors.js'
import { later } from '../core/later.js'
import { checkNames } from '../core/option-names.js'
import { shown } from '../core/show.js'
import type { Subject } from '../core/subject.js'
import type { Services } from '../middleware/services.js'
import { checkSpace } from '../storage/contract/values.js'
import { NO_SCHEMA, PreferenceReader, type PreferenceSchema } from './preference-reader.js'
import type { PreferenceSettings, Preferences } from './stored-preferences.js'

const storing = later('guard.users.preferences', () => import('./stored-preferences.js'))

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
  /**
   * Converts preferences that an earlier version stored; may return a promise, which is awaited for ten seconds at most. If it
   * fails, `get()` returns the defaults, and `patch()` rejects and changes nothing. Must not modify its argument.
   * @default unchanged
   */
  readonly migrate?: (stored: unknown, from: number) => unknown
}

/** Checks schema and options at once, and loads the code that reads preferences on demand. */
export class CheckedPreferences<T extends object> implements Preferences<T> {
  private readonly settings: PreferenceSettings<T>
  private stored: Preferences<T> | undefined

  /**
   * @throws SentinelError `preference.invalid` for a schema without defaults, `option.invalid`, `option.unknown`, `value.invalid`.
   */
  constructor(
    private readonly services: () => Services,
    schema: PreferenceSchema<T>,
    options: PreferenceOptions,
  ) {
    checkNames('preferences', options, ['name', 'version', 'migrate'])
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
