import { later } from '../core/later.js'
import { getOrInsert } from '../core/maps.js'
import { type Key, keyText, type Subject, subjectKey } from '../core/subject.js'
import type { Administration } from '../middleware/block/administration.js'
import type { LimitState } from '../middleware/inspection/inspection.js'
import type { Services } from '../middleware/services.js'
import type { SessionStorage, SessionsOptions } from '../storage/contract/sessions.js'
import { patchTexts } from '../storage/contract/users.js'
import type { ActivityRecorder } from './activity.js'
import type { ActivityReport, ReportOptions } from './activity-report.js'
import { Belongings, OF_PRIVATE_CHAT, type Ownership } from './belongings.js'
import { ErasedSessions } from './erased-sessions.js'
import type { ErasureOptions, ErasureReport, Personal, PersonalData } from './personal.js'
import type { PreferenceSchema } from './preference-reader.js'
import { CheckedPreferences, checkSchemaOf, type PreferenceOptions } from './preferences.js'
import type { UserProfile } from './profiles.js'
import type { Preferences } from './stored-preferences.js'

/**
 * The users of a sentinel's bots: read them, store data with them, iterate over them, erase them.
 *
 * @example
 * ```ts
 * import { sentinel, type UserDirectory } from 'grammy-sentinel'
 *
 * const users: UserDirectory = sentinel({ users: true }).users // notes who was seen
 * await users.patch(1234567, { language: 'en' })
 * const user = await users.read(1234567) // { data: { language: 'en' }, … }
 * for await (const { subject, counts } of users.scan()) console.log(subject.id, counts.message)
 * await users.erase(1234567)
 * ```
 */
export interface UserDirectory {
  /**
   * Returns what is known about a user; undefined if nothing is known, or if no bot was met yet. Activity of the last second may
   * be missing.
   *
   * @throws SentinelError `subject.invalid`.
   */
  read(whom: Subject): Promise<UserProfile | undefined>
  /**
   * Merges fields into the data of a user, for all bots that were met; before any was met, for each bot that is met later. `null`
   * removes a field.
   *
   * @throws SentinelError `subject.invalid`; `value.invalid` if the data is not a plain JSON object.
   */
  patch(whom: Subject, data: Readonly<Record<string, unknown>>): Promise<void>
  /** Yields all known users, each once, in no particular order; reads the storage page by page. */
  scan(): AsyncGenerator<UserProfile, void, undefined>
  /**
   * Returns everything stored about a user as plain JSON: records, marks with their reasons, values that belong to them, and the
   * state of their limits.
   *
   * @throws SentinelError `subject.invalid`.
   */
  export(whom: Subject): Promise<PersonalData>
  /**
   * Erases a user: records, all marks (block, registration, roles in one chat or everywhere, answers of a resolver), values
   * (sessions, preferences, spaces given to `include()`) and the state of limits. Reports what was erased.
   *
   * Activity that was sent to the storage and is not answered may be written afterwards. Then everything else is erased, and the
   * call rejects with `storage.unavailable`: repeat it later. After five minutes such a write counts as lost, and the call resolves,
   * although the server may still execute it.
   *
   * @throws SentinelError `subject.invalid`, `option.invalid`, `option.unknown`, `storage.unavailable`.
   */
  erase(whom: Subject, options?: ErasureOptions): Promise<ErasureReport>
  /**
   * Adds up the activity of all users: see {@link ActivityReport}. Reads every user once, page by page.
   *
   * @throws SentinelError `duration.invalid`; `option.unknown`; `option.invalid`, also for a `by` that no user has a count of.
   */
  report(options?: ReportOptions): Promise<ActivityReport>
  /** Yields all users as CSV, line by line. */
  csv(): AsyncGenerator<string, void, undefined>
  /**
   * Returns typed preferences, checked by a schema that must provide a default for every required field. They are included in the
   * export and erasure of their user.
   *
   * @throws SentinelError `preference.invalid` for a schema without defaults, `option.invalid`, `option.unknown`,
   * `value.invalid`.
   */
  preferences<T extends object>(schema: PreferenceSchema<T>, options?: PreferenceOptions): Preferences<T>
  /**
   * Returns `storage.sessions()`, included in the export and erasure of their user: with grammY's default keys the sessions of
   * private chats, otherwise those that `ownership` selects.
   *
   * @throws SentinelError as `storage.sessions()` does, and `option.invalid`, `option.unknown`.
   */
  sessions<T>(options?: SessionsOptions<T>, ownership?: Ownership): SessionStorage<T>
  /**
   * Includes values of a space in the export and erasure of the user they belong to.
   *
   * @throws SentinelError `value.invalid` for an invalid name of a space, `option.invalid`, `option.unknown`.
   */
  include(space: string, ownership: Ownership): void
}

const reading = later('guard.users', () => import('./profiles.js'))
const reporting = later('guard.users', () => import('./activity-report.js'))
const personally = later('guard.users', () => import('./personal.js'))

/** Implements `guard.users` for the bots that the sentinel has met. */
export class BotUsers implements UserDirectory {
  private readonly belongings = new Belongings()

  constructor(
    private readonly services: () => Services,
    private readonly administration: Administration,
    private readonly recorder: ActivityRecorder,
    private readonly forgetIn: (keys: readonly Key[]) => Promise<void> | undefined,
    private readonly limitsOf: (whom: Subject) => Promise<readonly LimitState[]>,
  ) {}

  async read(whom: Subject): Promise<UserProfile | undefined> {
    const key = subjectKey(whom)
    const { profileOf } = await reading.load()
    return profileOf(this.services(), key)
  }

  async patch(whom: Subject, data: Readonly<Record<string, unknown>>): Promise<void> {
    const key = subjectKey(whom)
    // Checked and copied now, because it may be written later: errors show here, and later changes of the object have no effect.
    const fields = [...patchTexts(data)].map(([name, text]): [string, unknown] => [
      name,
      text === null ? null : JSON.parse(text),
    ])
    const own = Object.fromEntries(fields)
    await this.services().forEachBot('users.patch', (bot) =>
      this.services().storage.users.patch(bot.id, key, own),
    )
  }

  async *scan(): AsyncGenerator<UserProfile, void, undefined> {
    const { everybody } = await reading.load()
    yield* everybody(this.services())
  }

  async export(whom: Subject): Promise<PersonalData> {
    return (await this.personal()).export(whom)
  }

  async erase(whom: Subject, options: ErasureOptions = {}): Promise<ErasureReport> {
    return (await this.personal()).erase(whom, options)
  }

  async report(options: ReportOptions = {}): Promise<ActivityReport> {
    const { reportOf } = await reporting.load()
    return reportOf(this.scan(), this.services().clock(), options)
  }

  async *csv(): AsyncGenerator<string, void, undefined> {
    const { csvOf } = await reporting.load()
    yield* csvOf(this.scan())
  }

  preferences<T extends object>(
    schema: PreferenceSchema<T>,
    options: PreferenceOptions = {},
  ): Preferences<T> {
    checkSchemaOf(schema)
    const made = new CheckedPreferences(this.services, schema, options)
    this.include(options.name ?? 'preferences', { keys: (subject) => [keyText(subjectKey(subject))] })
    return made
  }

  sessions<T>(options: SessionsOptions<T> = {}, ownership: Ownership = OF_PRIVATE_CHAT): SessionStorage<T> {
    const { name = 'session' } = options
    const made = this.services().storage.sessions<T>(options)
    this.include(name, ownership)
    return getOrInsert(this.belongings.erased, name, () => new ErasedSessions()).over(made)
  }

  include(space: string, ownership: Ownership): void {
    this.belongings.include(space, ownership)
  }

  private async personal(): Promise<Personal> {
    const { Personal } = await personally.load()
    return new Personal(
      this.services,
      this.administration,
      this.recorder,
      this.forgetIn,
      this.belongings,
      this.limitsOf,
    )
  }
}
