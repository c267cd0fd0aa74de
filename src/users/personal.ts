import { SentinelError } from '../core/errors.js'
import { checkNames } from '../core/option-names.js'
import { shown } from '../core/show.js'
import {
  chatKey,
  type Key,
  keySubject,
  keyText,
  memberKey,
  type Subject,
  type SubjectRef,
  subjectKey,
} from '../core/subject.js'
import type { Administration } from '../middleware/block/administration.js'
import { forgetPending, stagedOf } from '../middleware/block/staged-marks.js'
import { BLOCKED } from '../middleware/block.js'
import type { LimitState } from '../middleware/inspection/inspection.js'
import type { KnownBot } from '../middleware/services/bots.js'
import type { Services } from '../middleware/services.js'
import { forgetConduct } from '../middleware/throttle/forgotten-conduct.js'
import { type MarkedSubject, markedSubjects } from '../storage/contract/archive.js'
import type { Mark, Storage } from '../storage/contract/storage.js'
import type { ActivityRecorder } from './activity.js'
import type { Belongings } from './belongings.js'
import { type Belonging, belongingsOf, eraseBelongings } from './belongings-kept.js'

/**
 * Options of `guard.users.erase()`.
 *
 * @example
 * ```ts
 * import { type ErasureOptions, sentinel } from 'grammy-sentinel'
 *
 * const options: ErasureOptions = { keepBlock: true }
 * await sentinel().users.erase(1234567, options)
 * ```
 */
export interface ErasureOptions {
  /** Keeps a block and its reason, so that banned users cannot get in by asking for erasure. @default false */
  readonly keepBlock?: boolean
  /**
   * Chats in which limits with `scope: 'member'` are reset at once. Needed in memory and Postgres, which store them under digests
   * and cannot find them otherwise; limits not reset expire by themselves. Redis does not need the list.
   * @default none
   */
  readonly chats?: readonly number[]
}

/**
 * The result of `guard.users.erase()`. It contains only names and places: of the erased data, only the id of the subject.
 *
 * @example
 * ```ts
 * import { type ErasureReport, sentinel } from 'grammy-sentinel'
 *
 * const line = ({ found, profiles, marks, values, kept }: ErasureReport) =>
 *   `${found}: ${profiles} records, ${marks.length} marks, ${values.length} values; kept ${kept.length}`
 * console.log(line(await sentinel().users.erase(1234567)))
 * ```
 */
export interface ErasureReport {
  readonly subject: SubjectRef
  /** Whether anything was found other than the state of limits. */
  readonly found: boolean
  /** Number of erased records, at most one for each bot: first and last seen, counts, data. */
  readonly profiles: number
  /** Removed marks: blocks, registration, roles, in single chats too. `subject` is in the form of `keyText()`. */
  readonly marks: readonly { readonly subject: string; readonly name: string }[]
  /** Erased values: sessions, preferences, and values of spaces given to `include()`. */
  readonly values: readonly { readonly space: string; readonly key: string }[]
  /** Marks that `keepBlock` kept. */
  readonly kept: readonly { readonly subject: string; readonly name: string }[]
  /** True if no bot was met yet: data stored for each bot is erased when that bot is met. */
  readonly waits: boolean
}

/**
 * Everything stored about a user, as plain JSON: the result of `guard.users.export()`.
 *
 * @example
 * ```ts
 * import { type PersonalData, sentinel } from 'grammy-sentinel'
 *
 * const data: PersonalData = await sentinel().users.export(1234567)
 * console.log(JSON.stringify(data, null, 2))
 * ```
 */
export interface PersonalData {
  readonly version: 1
  /** In the form of `keyText()`, such as `u1234567`. */
  readonly subject: string
  /** When the export was made, in milliseconds since 1970. */
  readonly at: number
  /** For each bot: when the user was seen, what they did, your data, and marks with their reasons. */
  readonly bots: readonly {
    readonly id: number
    readonly profile?: {
      readonly firstSeen: number
      readonly lastSeen: number
      readonly counts: Readonly<Record<string, number>>
      readonly data: Readonly<Record<string, unknown>>
    }
    readonly marks: readonly ({ readonly subject: string; readonly name: string } & Mark)[]
  }[]
  /** Sessions, preferences, and values of spaces given to `include()`. */
  readonly values: readonly {
    readonly space: string
    readonly key: string
    readonly value: unknown
    readonly until?: number
  }[]
  /** The current state of the user's limits, for the bot that was met first. */
  readonly limits: readonly LimitState[]
}

/** Exports and erases everything stored about a subject. */
export class Personal {
  constructor(
    private readonly services: () => Services,
    private readonly administration: Administration,
    private readonly recorder: ActivityRecorder,
    private readonly forgetIn: (keys: readonly Key[]) => Promise<void> | undefined,
    private readonly belongings: Belongings,
    private readonly limitsOf: (whom: Subject) => Promise<readonly LimitState[]>,
  ) {}

  async export(whom: Subject): Promise<PersonalData> {
    const key = subjectKey(whom)
    const { storage, bots, clock } = this.services()
    const all: PersonalData['bots'][number][] = []
    for (const { id } of bots.all()) {
      const marks: PersonalData['bots'][number]['marks'][number][] = []
      for (const { key: subject, names } of await marksIn(storage, id, keysOf(key))) {
        for (const name of names) {
          const mark = await storage.marks.get(id, subject, name)
          if (mark !== undefined) marks.push({ subject: keyText(subject), name, ...mark })
        }
      }
      const record = await storage.users.get(id, key)
      if (record === undefined) all.push({ id, marks })
      else {
        const { key: _, ...profile } = record
        all.push({ id, profile, marks })
      }
    }
    const values: Belonging[] = []
    for await (const value of belongingsOf(this.belongings, storage, keySubject(key))) values.push(value)
    const limits = bots.all().length === 0 ? [] : await this.limitsOf(keySubject(key))
    return { version: 1, subject: keyText(key), at: clock(), bots: all, values, limits }
  }

  async erase(whom: Subject, options: ErasureOptions): Promise<ErasureReport> {
    const key = subjectKey(whom)
    const { keepBlock = false, chats = [] } = checked(options)
    const keys = keysOf(key)
    const places = chats.map((chat) => memberKey(key, chat))
    const { storage, bots } = this.services()
    const waits = bots.all().length === 0
    const found = new Map<string, { readonly key: Key; readonly name: string }>()
    let profiles = 0
    forgetPending(this.administration, keys, keepBlock ? BLOCKED : undefined)
    // First, to wait until no change of conduct is being written: it is a mark, and must be found with the other marks.
    for (const { id } of bots.all()) await forgetConduct(this.services(), id, key)
    for (const marked of [stagedOf(this.administration, keys), ...(await this.markedByBot(storage, keys))]) {
      for (const { key: subject, names } of marked) {
        for (const name of names) found.set(`${keyText(subject)} ${name}`, { key: subject, name })
      }
    }
    const gone = [...found.values()].filter(({ name }) => !keepBlock || name !== BLOCKED)
    const kept = [...found.values()].filter(({ name }) => keepBlock && name === BLOCKED)
    // The user was present wherever they have marks, so limits there are reset, too.
    const reset = new Set([...keys, ...places, ...[...found.values()].map((each) => each.key)])
    for (const { key: subject, name } of gone) await this.administration.take(name, [subject])
    const erase = async ({ id }: KnownBot): Promise<void> => {
      const isForgotten = await this.recorder.forget(id, key)
      for (const each of keys) if (await storage.users.erase(id, each)) profiles++
      try {
        await storage.archive?.forget(id, keys)
      } finally {
        for (const each of reset) await storage.reset(id, each)
      }
      if (!isForgotten) {
        throw new SentinelError(
          'storage.unavailable',
          'users.erase: activity of this user is still being written, because the storage does not answer. Erase again later.',
        )
      }
    }
    const known: Promise<void>[] = []
    const asked = this.services().forEachBot('users.erase', (bot) => {
      const erasing = erase(bot)
      known.push(erasing)
      return erasing
    })
    // Even if a part fails, such as one of several storages being down, everything else is erased before the error is thrown.
    const ends = await Promise.allSettled([asked, this.forgetIn(keys), ...known])
    const values = await eraseBelongings(this.belongings, storage, keySubject(key))
    for (const end of ends) if (end.status === 'rejected') throw end.reason
    return {
      subject: keySubject(key),
      found: profiles > 0 || gone.length > 0 || values.length > 0,
      profiles,
      marks: gone.map(named),
      values,
      kept: kept.map(named),
      waits,
    }
  }

  private async markedByBot(
    storage: Storage,
    keys: readonly Key[],
  ): Promise<readonly (readonly MarkedSubject[])[]> {
    const all: (readonly MarkedSubject[])[] = []
    for (const { id } of this.services().bots.all()) all.push(await marksIn(storage, id, keys))
    return all
  }
}

function named({ key, name }: { readonly key: Key; readonly name: string }): {
  readonly subject: string
  readonly name: string
} {
  return { subject: keyText(key), name }
}

/** Returns the keys of a user: their own and that of their private chat, which has the same id. */
function keysOf(key: Key): readonly Key[] {
  const { kind, id } = keySubject(key)
  return kind === 'user' ? [key, chatKey(id)] : [key]
}

/**
 * Finds the marks of a subject. A storage without an archive finds only marks of the subject itself, not those as a member of
 * chats.
 */
async function marksIn(
  storage: Storage,
  bot: number,
  keys: readonly Key[],
): Promise<readonly MarkedSubject[]> {
  if (storage.archive !== undefined) return storage.archive.marksOf(bot, keys)
  const found: [Key, string][] = []
  for (const key of keys)
    for (const name of (await storage.marks.of(bot, key)).keys()) found.push([key, name])
  return markedSubjects(found)
}

function checked(options: ErasureOptions): ErasureOptions {
  checkNames('erase', options, ['keepBlock', 'chats'])
  const { keepBlock = false, chats = [] } = options
  if (typeof keepBlock !== 'boolean') {
    throw new SentinelError('option.invalid', `erase.keepBlock: ${shown(keepBlock)} must be true or false.`)
  }
  if (!Array.isArray(chats) || !chats.every((chat) => Number.isSafeInteger(chat) && chat !== 0)) {
    throw new SentinelError(
      'option.invalid',
      'erase.chats: it must be a list of chat ids, such as [-1001234567890].',
    )
  }
  return { keepBlock, chats }
}
