import { z } from 'zod'
import type { MaybePromise } from '../../core/check.js'
import { type Duration, parseDuration } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { later } from '../../core/later.js'
import { type Key, type Subject, type SubjectRef, subjectKey } from '../../core/subject.js'
import { actsAsAny, type MarkedSubject, markedSubjects } from '../../storage/archive.js'
import type { Mark, MarkEntry } from '../../storage/storage.js'
import { REGISTERED } from '../auth.js'
import { ALLOWED, acting, BLOCKED, blockable } from '../block.js'
import type { KnownBot } from '../chain/bots.js'
import { option, parseOptions } from '../options/schema.js'
import type { Services } from '../services.js'
import { blockedOf, isTime, lapsed } from './blocked.js'

/**
 * Options of `guard.block()`. Neither `for` nor `until`: for good. Both: `option.invalid`.
 *
 * @example
 * ```ts
 * import { type BlockingOptions, sentinel } from 'grammy-sentinel'
 *
 * const aDay: BlockingOptions = { for: '1d', reason: 'spam' }
 * await sentinel().block(1234567, aDay)
 * ```
 */
export interface BlockingOptions {
  /** For so long. Neither this nor `until`: for good. */
  readonly for?: Duration
  /** Until then: a date, or milliseconds since 1970. */
  readonly until?: Date | number
  /** Why, for people; kept with the mark. */
  readonly reason?: string
}

/**
 * Somebody on the block list.
 *
 * @example
 * ```ts
 * import { type Blocked, keyText, sentinel, subjectKey } from 'grammy-sentinel'
 *
 * const line = ({ subject, reason = '' }: Blocked) => `${keyText(subjectKey(subject))} ${reason}`
 * for await (const blocked of sentinel().blocked()) console.log(line(blocked)) // 'u1234567 spam'
 * ```
 */
export interface Blocked {
  readonly subject: SubjectRef
  /** Milliseconds since 1970. */
  readonly since: number
  /** Absent: for good. */
  readonly until?: number
  readonly reason?: string
}

/**
 * The block list as plain JSON: what `guard.export()` gives and `guard.import()` takes.
 *
 * @example
 * ```ts
 * import { type BlockListExport, sentinel } from 'grammy-sentinel'
 *
 * const list: BlockListExport = {
 *   version: 1,
 *   blocked: [{ subject: 'u1234567', since: 1_795_000_000_000, reason: 'spam' }],
 * }
 * await sentinel().import(list) // 1
 * ```
 */
export interface BlockListExport {
  readonly version: 1
  readonly blocked: readonly {
    /** Such as `u1234567`, `c-100123`, `s-100123`. */
    readonly subject: string
    readonly since: number
    readonly until?: number
    readonly reason?: string
  }[]
}

const listing = later('guard.blocked', () => import('./block-list.js'))

/** Which there are; `for` and `until` are read, and refused, by parsers of their own. */
const blockingOptions = z.strictObject({
  for: option(z.unknown(), 'For so long.'),
  until: option(z.unknown(), 'Until then.'),
  reason: option(z.string(), 'Why, for people.'),
})

/** Marks and entries written at once. */
const BATCH = 1000

/** What is told when a mark is put on somebody. */
const EVENTS = new Map<string, 'blocked' | 'registered'>([
  [BLOCKED, 'blocked'],
  [REGISTERED, 'registered'],
])

/** What is told when a mark is taken from somebody. */
const TAKEN = new Map<string, 'unblocked' | 'unregistered'>([
  [BLOCKED, 'unblocked'],
  [REGISTERED, 'unregistered'],
])

/** Puts marks on subjects and takes them away, for the bots that are known (or, before any is, for those to come). */
export class Administration {
  constructor(private readonly services: Services) {
    services.forEveryBot('marks', (bot) => this.catchUp(bot))
  }

  async block(whom: Subject | readonly Subject[], options: BlockingOptions = {}): Promise<void> {
    parseOptions('block', blockingOptions, options)
    const keys = keysOf(whom).map((key) => blockable(key, 'block'))
    const since = this.services.clock()
    const until = untilOf(options, since, 'block')
    const mark: Mark = {
      since,
      ...(until === undefined ? {} : { until }),
      ...(options.reason === undefined ? {} : { reason: options.reason }),
    }
    await this.put(
      BLOCKED,
      keys.map((key) => ({ key, mark })),
    )
  }

  async unblock(whom: Subject | readonly Subject[]): Promise<number> {
    return this.take(BLOCKED, keysOf(whom), 'unblocked')
  }

  async allow(whom: Subject | readonly Subject[]): Promise<void> {
    const mark = { since: this.services.clock() }
    await this.put(
      ALLOWED,
      keysOf(whom).map((key) => ({ key: acting(key, 'allow'), mark })),
    )
  }

  async disallow(whom: Subject | readonly Subject[]): Promise<number> {
    return this.take(ALLOWED, keysOf(whom), undefined)
  }

  async register(whom: Subject | readonly Subject[]): Promise<void> {
    const mark = { since: this.services.clock() }
    await this.put(
      REGISTERED,
      keysOf(whom).map((key) => ({ key: acting(key, 'register'), mark })),
    )
  }

  async unregister(whom: Subject | readonly Subject[]): Promise<number> {
    return this.take(REGISTERED, keysOf(whom), 'unregistered')
  }

  /** Takes a mark from a subject, telling what listeners are told when it is taken in any other way. */
  async takeAway(name: string, key: Key): Promise<void> {
    await this.take(name, [key], TAKEN.get(name))
  }

  /** The mark of whoever is blocked by any bot; undefined if they are not. */
  async blockOf(whom: Subject): Promise<Blocked | undefined> {
    const key = subjectKey(whom)
    const mark = await this.markOf(BLOCKED, key)
    return mark === undefined ? undefined : blockedOf({ key, mark })
  }

  async isRegistered(whom: Subject): Promise<boolean> {
    return (await this.markOf(REGISTERED, subjectKey(whom))) !== undefined
  }

  /** Everybody who is blocked, each once, a page of the storage at a time. */
  async *blocked(): AsyncGenerator<Blocked, void, undefined> {
    const { blockedIn } = await listing.load()
    yield* blockedIn(this.services, () => this.stagedBlocks())
  }

  async export(): Promise<BlockListExport> {
    const { exported } = await listing.load()
    return exported(this.blocked())
  }

  /** Adds an exported list to this one; how many were added, or hold for longer than before. What has lapsed is left out. */
  async import(list: BlockListExport): Promise<number> {
    // Whether a block lengthens another depends on what was asked before it; what is asked of somebody later counts.
    const earlier = [...this.running].flatMap(({ name, done }) => (name === BLOCKED ? [done] : []))
    const later = new Set<Key>()
    return this.many(BLOCKED, { delete: (key) => later.add(key) }, ({ importInto }) =>
      importInto(this.services, list, earlier, later, this.staged.get(BLOCKED), (key, mark) =>
        this.keep(BLOCKED, key, mark),
      ),
    )
  }

  /**
   * What was asked before any bot was met, by mark; undefined: taken away. Seen at once, and written for every bot as
   * it comes.
   */
  private readonly staged = new Map<string, Map<Key, Mark | undefined>>()

  /** Writes of many that are under way. */
  private readonly running = new Set<Running>()

  private get waits(): boolean {
    return this.services.bots.all().length === 0
  }

  private stagedMark(name: string, key: Key): Mark | undefined {
    const mark = this.staged.get(name)?.get(key)
    return mark === undefined || lapsed(mark, this.services.clock()) ? undefined : mark
  }

  /** Marks that wait for a bot, of subjects and of what they act as. */
  stagedOf(keys: readonly Key[]): readonly MarkedSubject[] {
    const found: [Key, string][] = []
    for (const [name, staged] of this.staged) {
      for (const [key, mark] of staged)
        if (mark !== undefined && actsAsAny(key, keys)) found.push([key, name])
    }
    return markedSubjects(found)
  }

  /** The marks of a subject that wait for a bot, by name. */
  stagedMarks(key: Key): readonly string[] {
    return [...this.staged.keys()].filter((name) => this.stagedMark(name, key) !== undefined)
  }

  private stage(name: string, key: Key, mark: Mark | undefined): void {
    // What is asked of somebody while others are seen to was asked later, and counts.
    for (const { name: other, left } of this.running) if (other === name) left.delete(key)
    this.keep(name, key, mark)
  }

  private keep(name: string, key: Key, mark: Mark | undefined): void {
    const staged = this.staged.get(name) ?? new Map<Key, Mark | undefined>()
    this.staged.set(name, staged)
    // Once a bot is known, only what was asked for before that is kept up to date, for bots that are still to come.
    if (this.waits || staged.has(key)) staged.set(key, mark)
  }

  /** All writes begin before the first is awaited: a storage that answers at once has them before the bot's update. */
  private async catchUp(bot: KnownBot): Promise<void> {
    const { marks } = this.services.storage
    const writes: MaybePromise<unknown>[] = []
    const entries: [string, MarkEntry][] = []
    for (const [name, staged] of this.staged) {
      const all = [...staged.keys()].flatMap((key) => {
        const mark = this.stagedMark(name, key)
        return mark === undefined ? [] : [{ key, mark }]
      })
      // There are additions only where import() was loaded.
      const held = all.filter(({ mark }) => listing.now?.additions.has(mark) !== true)
      if (held.length < all.length) writes.push(listing.now?.add(this.services, bot.id, all))
      const gone = [...staged.keys()].filter((key) => staged.get(key) === undefined)
      for (let i = 0; i < held.length; i += BATCH)
        writes.push(marks.put(bot.id, name, held.slice(i, i + BATCH)))
      if (gone.length > 0) writes.push(marks.remove(bot.id, name, gone))
      for (const entry of held) entries.push([name, entry])
    }
    await Promise.all(writes)
    for (const [name, { key, mark }] of entries) {
      const event = EVENTS.get(name)
      if (event !== undefined) this.services.events.tell(event, { bot: bot.id, key, reason: mark.reason })
    }
  }

  private async markOf(name: string, key: Key): Promise<Mark | undefined> {
    for (const bot of this.services.bots.all()) {
      const mark = await this.services.storage.marks.get(bot.id, key, name)
      if (mark !== undefined) return mark
    }
    return this.waits ? this.stagedMark(name, key) : undefined
  }

  /** Blocks that wait for a bot. */
  private stagedBlocks(): readonly MarkEntry[] {
    if (!this.waits) return []
    return [...(this.staged.get(BLOCKED)?.keys() ?? [])].flatMap((key) => {
      const mark = this.stagedMark(BLOCKED, key)
      return mark === undefined ? [] : [{ key, mark }]
    })
  }

  /** Puts a mark, for the bots that are known, or those to come. */
  async put(name: string, entries: readonly MarkEntry[]): Promise<void> {
    const event = EVENTS.get(name)
    for (const { key, mark } of entries) this.stage(name, key, mark)
    if (this.waits) return
    const { storage, events } = this.services
    await this.services.forEachBot(name, async (bot) => {
      const put = async (some: readonly MarkEntry[]): Promise<void> => {
        await storage.marks.put(bot.id, name, some)
        if (event === undefined) return
        for (const { key, mark } of some) events.tell(event, { bot: bot.id, key, reason: mark.reason })
      }
      if (this.fits(entries)) return put(entries)
      const left = new Set(entries.map(({ key }) => key))
      return this.many(name, left, ({ putAll }) => putAll(entries, left, put))
    })
  }

  /** Takes a mark; how many held it. */
  async take(
    name: string,
    keys: readonly Key[],
    event: 'unblocked' | 'unregistered' | undefined,
  ): Promise<number> {
    let held = this.waits ? keys.filter((key) => this.stagedMark(name, key) !== undefined).length : 0
    for (const key of keys) this.stage(name, key, undefined)
    if (this.waits) return held
    const { storage, events } = this.services
    await this.services.forEachBot(name, async ({ id }) => {
      // Where it is told, it is first asked who of several has it.
      if (event === undefined ? !this.fits(keys) : keys.length !== 1) {
        const left = new Set(keys)
        const count = await this.many(name, left, ({ takeAll }) =>
          takeAll(this.services, id, name, left, event),
        )
        held = Math.max(held, count)
        return
      }
      const taken = await storage.marks.remove(id, name, keys)
      held = Math.max(held, taken)
      if (event !== undefined && taken > 0) events.tell(event, { bot: id, key: keys[0] as Key })
    })
    return held
  }

  /** Whether they are written in one go, before the call returns: a storage in this process has no time-out to keep. */
  private fits({ length }: readonly unknown[]): boolean {
    return length <= BATCH || this.services.storage.remote !== true
  }

  /** Sees to many: from `left` whoever something else is asked of meanwhile is taken. */
  private async many<T>(
    name: string,
    left: Running['left'],
    work: (list: typeof import('./block-list.js')) => Promise<T>,
  ): Promise<T> {
    const done = listing.load().then(work)
    const own = { name, left, done }
    this.running.add(own)
    try {
      return await done
    } finally {
      this.running.delete(own)
    }
  }
}

/** A write of many that is under way, and those of them who are still to come. */
interface Running {
  readonly name: string
  readonly left: { delete(key: Key): unknown }
  readonly done: Promise<unknown>
}

export function keysOf(whom: Subject | readonly Subject[]): readonly Key[] {
  return Array.isArray(whom) ? whom.map(subjectKey) : [subjectKey(whom as Subject)]
}

/** When a span or a moment that was given ends; undefined: never. */
export function untilOf(
  { for: span, until }: Pick<BlockingOptions, 'for' | 'until'>,
  now: number,
  what: string,
): number | undefined {
  if (span !== undefined && until !== undefined) {
    throw new SentinelError('option.invalid', `${what}: "for" and "until" at once. Give one of the two.`)
  }
  if (span !== undefined) return now + parseDuration(span, `${what}.for`)
  if (until === undefined) return undefined
  const at = until instanceof Date ? until.getTime() : (until as unknown)
  if (isTime(at)) return at
  throw new SentinelError(
    'option.invalid',
    `${what}.until: this is no date. Pass a Date, or milliseconds since 1970.`,
  )
}
