import { isPromise } from '../core/check.js'
import { SentinelError } from '../core/errors.js'
import { errorText } from '../core/redact.js'
import { shown } from '../core/show.js'
import type { Subject } from '../core/subject.js'
import { type Key, keyText, subjectKey } from '../core/subject.js'
import { callbackEnded } from '../middleware/chain/in-time.js'
import type { Services } from '../middleware/services.js'
import type { PreferenceReader } from './preference-reader.js'

class FailedMigration extends SentinelError {}

interface Stored {
  readonly v: number
  readonly data: unknown
}

/** The last change in progress, by subject and space. Shared by all schemas for a space, because they change the same value. */
type Turns = Map<string, Promise<unknown>>

/** By the events object, which a sentinel keeps across changes of options. */
const turnsOf = new WeakMap<object, Turns>()

/** Preferences stored as values, validated when written and when read. */
export class StoredPreferences<T extends object> implements Preferences<T> {
  private readonly reader: PreferenceReader<T>
  private readonly turns: Turns

  constructor(
    private readonly services: () => Services,
    private readonly settings: PreferenceSettings<T>,
  ) {
    this.reader = settings.reader
    const { events } = services()
    this.turns = turnsOf.get(events) ?? new Map()
    turnsOf.set(events, this.turns)
  }

  async get(whom: Subject): Promise<T> {
    const key = subjectKey(whom)
    return this.held(key)
  }

  async set(whom: Subject, preferences: T): Promise<T> {
    const key = subjectKey(whom)
    return this.inTurn(key, async () => this.write(key, await this.reader.read(preferences)))
  }

  async patch(whom: Subject, preferences: Partial<T>): Promise<T> {
    const key = subjectKey(whom)
    if (typeof preferences !== 'object' || preferences === null) {
      throw this.reader.refused(`${shown(preferences)} is not an object of preferences`)
    }
    return this.inTurn(key, async () => {
      const fields = new Map(Object.entries(await this.held(key, true)))
      for (const [name, value] of Object.entries(preferences))
        if (value !== undefined) fields.set(name, value)
      return this.write(key, await this.reader.read(Object.fromEntries(fields)))
    })
  }

  async reset(whom: Subject): Promise<boolean> {
    const key = subjectKey(whom)
    return this.inTurn(key, async () =>
      this.services().storage.values.remove(this.settings.name, keyText(key)),
    )
  }

  /** @param toChange True if the result will be stored. Then a failing `migrate` rejects, because the defaults must not be stored. */
  private async held(key: Key, toChange = false): Promise<T> {
    const kept = await this.services().storage.values.get(this.settings.name, keyText(key))
    if (kept === undefined) return this.reader.read({})
    try {
      return await this.reader.read(await this.migrated(kept))
    } catch (error) {
      const hasFailed = error instanceof FailedMigration
      if (toChange && hasFailed) throw error
      const why = hasFailed ? error.cause : error
      const cause = why instanceof SentinelError ? why.message : errorText(why)
      const text = `preferences: those stored in "${this.settings.name}" for ${keyText(key)} cannot be read, so the defaults hold: ${cause} Set them again, or mend the schema or migrate().`
      this.services().failed(new SentinelError('preference.invalid', text), 'preferences')
      return this.reader.read({})
    }
  }

  private async migrated(kept: unknown): Promise<unknown> {
    const { v, data } = Object(kept) as Partial<Stored>
    if (!Number.isInteger(v)) throw this.reader.refused('it was not written by this package')
    const { version, migrate } = this.settings
    if (v === version || migrate === undefined) return data
    try {
      const given = migrate(data, v as number)
      // A query of a database may run again each time it is awaited.
      const migrated = isPromise(given) ? Promise.resolve(given) : given
      await callbackEnded(migrated, 'preferences.migrate', this.services().timers)
      return await migrated
    } catch (error) {
      throw new FailedMigration(
        'preference.invalid',
        `preferences: nothing was changed, because migrate() failed (${errorText(error, false)}). Try again, or mend it.`,
        { cause: error },
      )
    }
  }

  private async write(key: Key, preferences: T): Promise<T> {
    const stored: Stored = { v: this.settings.version, data: preferences }
    await this.services().storage.values.put(this.settings.name, keyText(key), stored)
    return preferences
  }

  /** Runs changes of the same subject and space one after the other. */
  private async inTurn<R>(key: Key, work: () => Promise<R>): Promise<R> {
    const name = `${keyText(key)} ${this.settings.name}`
    const before = this.turns.get(name) ?? Promise.resolve()
    const done = before.then(work, work)
    const settled = done.then(
      () => undefined,
      () => undefined,
    )
    this.turns.set(name, settled)
    try {
      return await done
    } finally {
      if (this.turns.get(name) === settled) this.turns.delete(name)
    }
  }
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
  /**
   * Changes some preferences and returns all. Calls for one subject run one after the other in one process. Throws as `set()` does,
   * and `preference.invalid` if `migrate` fails: then nothing is changed.
   */
  patch(whom: Subject, preferences: Partial<T>): Promise<T>
  /** Restores the defaults; returns whether anything was set. */
  reset(whom: Subject): Promise<boolean>
}

/** The checked options of preferences. */
export interface PreferenceSettings<T extends object> {
  readonly name: string
  readonly version: number
  readonly migrate: ((stored: unknown, from: number) => unknown) | undefined
  readonly reader: PreferenceReader<T>
}
