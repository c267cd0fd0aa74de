import { later } from '../core/later.js'
import { type Key, keyText, type Subject, type SubjectRef, subjectKey } from '../core/subject.js'
import type { Administration } from '../middleware/block/administration.js'
import type { LimitState } from '../middleware/inspection/inspection.js'
import type { Services } from '../middleware/services.js'
import type { SessionStorage, SessionsOptions } from '../storage/sessions.js'
import { patchTexts } from '../storage/users.js'
import type { ActivityRecorder } from './activity.js'
import type { ActivityReport, ReportOptions } from './activity-report.js'
import { Belongings, OF_PRIVATE_CHAT, type Ownership } from './belongings.js'
import type { ErasureOptions, ErasureReport, Personal, PersonalData } from './personal.js'
import {
  CheckedPreferences,
  checkSchemaOf,
  type PreferenceOptions,
  type PreferenceSchema,
  type Preferences,
} from './preferences.js'

/**
 * What `guard.users` knows of somebody: of all bots together, where there are several.
 *
 * @example
 * ```ts
 * import type { UserProfile } from 'grammy-sentinel'
 *
 * const line = ({ subject, lastSeen, counts }: UserProfile) =>
 *   `${subject.id}: ${counts.message ?? 0} messages, last seen ${new Date(lastSeen).toISOString()}`
 * ```
 */
export interface UserProfile {
  readonly subject: SubjectRef
  /** In milliseconds since 1970, as `lastSeen`. */
  readonly firstSeen: number
  readonly lastSeen: number
  /** Updates by activity (`message`, `tap` …), those that were stopped (`denials`), and what you note yourself. */
  readonly counts: Readonly<Record<string, number>>
  /** What you keep with them; plain JSON. */
  readonly data: Readonly<Record<string, unknown>>
}

/**
 * The users of a sentinel's bots: read them, keep data with them, go through them, forget them.
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
   * What is known of somebody; undefined if nothing is, or no bot was met yet. What was noted in the last second may
   * be missing.
   *
   * @throws SentinelError `subject.invalid`.
   */
  read(whom: Subject): Promise<UserProfile | undefined>
  /**
   * Merges into the data of somebody, field by field, for all bots it has met; before it has met any, for those that
   * come. `null` takes a field away.
   *
   * @throws SentinelError `subject.invalid`; `value.invalid` for what is no plain JSON object.
   */
  patch(whom: Subject, data: Readonly<Record<string, unknown>>): Promise<void>
  /** Everybody it knows, each once, in no promised order, a page of the storage at a time. */
  scan(): AsyncGenerator<UserProfile, void, undefined>
  /**
   * All that is kept of somebody, as plain JSON: records, marks with their reasons, values that are theirs, and what limits
   * count.
   *
   * @throws SentinelError `subject.invalid`.
   */
  export(whom: Subject): Promise<PersonalData>
  /**
   * Forgets somebody: what is known of them, every mark (block, registration, roles in one chat or everywhere, what a resolver
   * said), their values (sessions, preferences, what `include()` names) and what they used of limits; and tells what that was.
   *
   * @throws SentinelError `subject.invalid`, `option.invalid`.
   */
  erase(whom: Subject, options?: ErasureOptions): Promise<ErasureReport>
  /**
   * Adds up what all of them did: see {@link ActivityReport}. Reads everybody once, a page at a time.
   *
   * @throws SentinelError `duration.invalid`, `option.invalid`.
   */
  report(options?: ReportOptions): Promise<ActivityReport>
  /** Everybody as CSV, a line at a time. */
  csv(): AsyncGenerator<string, void, undefined>
  /**
   * Preferences that a schema describes, which must give defaults for all that it asks for. They are exported and erased
   * with whose they are.
   *
   * @throws SentinelError `preference.invalid` for a schema without defaults, `option.invalid`, `value.invalid`.
   */
  preferences<T extends object>(schema: PreferenceSchema<T>, options?: PreferenceOptions): Preferences<T>
  /**
   * `storage.sessions()`, exported and erased with whose they are: by grammY's usual keys those of private chats, else
   * as `ownership` tells.
   *
   * @throws SentinelError as `storage.sessions()` does, and `option.invalid`.
   */
  sessions<T>(options?: SessionsOptions<T>, ownership?: Ownership): SessionStorage<T>
  /**
   * Exports and erases values of yours with whose they are.
   *
   * @throws SentinelError `value.invalid` for what is no space, `option.invalid`.
   */
  include(space: string, ownership: Ownership): void
}

const reading = later('guard.users', () => import('./profiles.js'))
const reporting = later('guard.users', () => import('./activity-report.js'))
const personally = later('guard.users', () => import('./personal.js'))

/** The users of the bots that the sentinel has met. */
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
    // Refused here and now, though the writing may come later; and what is written later is what was given now.
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
    const made = this.services().storage.sessions<T>(options)
    this.include(options.name ?? 'session', ownership)
    return made
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
