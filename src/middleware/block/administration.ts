import { z } from 'zod'
import { markedKey } from '../../core/chat-of.js'
import type { MaybePromise } from '../../core/check.js'
import { type Duration, parseDuration } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { later } from '../../core/later.js'
import { type Key, type Subject, subjectKey } from '../../core/subject.js'
import { actsAsAny, type MarkedSubject, markedSubjects } from '../../storage/archive.js'
import type { Mark, MarkEntry } from '../../storage/storage.js'
import { REGISTERED } from '../auth.js'
import { ALLOWED, acting, BLOCKED, blockable } from '../block.js'
import type { KnownBot } from '../chain/bots.js'
import { option, parseOptions } from '../options/schema.js'
import type { Services } from '../services.js'
import { type Blocked, type BlockListExport, blockedOf, isTime, lapsed } from './blocked.js'

/**
 * Options of `guard.block()`. Without `for` and `until` the block is permanent; giving both, or an end that is not in the future,
 * throws `option.invalid`.
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
  /** The duration of the block. Without it and `until`, the block is permanent. */
  readonly for?: Duration
  /** The end of the block: a date, or milliseconds since 1970, in the future. */
  readonly until?: Date | number
  /** The reason, for people; stored with the block. */
  readonly reason?: string | undefined
}

const listing = later('guard.blocked', () => import('./block-list.js'))

/** Checks the names of options; the values of `for` and `until` are checked by their own parsers. */
const blockingOptions = z.strictObject({
  for: option(z.unknown(), 'How long it lasts.'),
  until: option(z.unknown(), 'Until then.'),
  reason: option(z.string(), 'The reason, for people.'),
})

/** Most marks written in one call. */
const BATCH = 1000

/** The event for each mark that is put on a subject. */
const EVENTS = new Map<string, 'blocked' | 'registered'>([
  [BLOCKED, 'blocked'],
  [REGISTERED, 'registered'],
])

/** The event for each mark that is removed from a subject. */
const TAKEN = new Map<string, 'unblocked' | 'unregistered'>([
  [BLOCKED, 'unblocked'],
  [REGISTERED, 'unregistered'],
])

/** Puts marks on subjects and removes them, for all known bots, or while none is known for the bots that are met later. */
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
    return this.take(BLOCKED, keysOf(whom, markedKey), 'unblocked')
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

  /** Removes a mark from a subject and raises the usual event for that. */
  async takeAway(name: string, key: Key): Promise<void> {
    await this.take(name, [key], TAKEN.get(name))
  }

  /** Returns the block of a subject with any of the bots; undefined if it is not blocked. */
  async blockOf(whom: Subject): Promise<Blocked | undefined> {
    const key = markedKey(whom)
    const mark = await this.markOf(BLOCKED, key)
    return mark === undefined ? undefined : blockedOf({ key, mark })
  }

  async isRegistered(whom: Subject): Promise<boolean> {
    return (await this.markOf(REGISTERED, subjectKey(whom))) !== undefined
  }

  /** Lists every blocked subject once, reading the storage page by page. */
  async *blocked(): AsyncGenerator<Blocked, void, undefined> {
    const { blockedIn } = await listing.load()
    yield* blockedIn(this.services, () => this.stagedBlocks())
  }

  async export(): Promise<BlockListExport> {
    const { exported } = await listing.load()
    return exported(this.blocked())
  }

  /** Merges an exported list into this one. Returns how many blocks were added or lengthened. Expired entries are skipped. */
  async import(list: BlockListExport): Promise<number> {
    // Earlier writes must finish first, since they decide whether a block lengthens another. Later requests for a subject win.
    const earlier = [...this.running].flatMap(({ name, done }) => (name === BLOCKED ? [done] : []))
    const later = new Set<Key>()
    return this.many(BLOCKED, { delete: (key) => later.add(key) }, ({ importInto }) =>
      importInto(this.services, list, {
        earlier,
        later,
        staged: () => this.staged.get(BLOCKED),
        stage: (key, mark) => this.keep(BLOCKED, key, mark),
        caughtUp: (bot) => this.catchingUp.get(bot),
      }),
    )
  }

  /**
   * Marks that were requested before any bot was met, by name; undefined stands for a removed mark. They take effect at once and
   * are written for every bot when it is met.
   */
  private readonly staged = new Map<string, Map<Key, Mark | undefined>>()

  /** Writes of large batches that are in progress. */
  private readonly running = new Set<Running>()

  /** For each bot that was just met, the write of the staged marks that is in progress. */
  private readonly catchingUp = new Map<number, Promise<void>>()

  private get waits(): boolean {
    return this.services.bots.all().length === 0
  }

  /** Whether staged marks may be missing from the storage. */
  private get isBehind(): boolean {
    return this.waits || this.catchingUp.size > 0
  }

  private stagedMark(name: string, key: Key): Mark | undefined {
    const mark = this.staged.get(name)?.get(key)
    return mark === undefined || lapsed(mark, this.services.clock()) ? undefined : mark
  }

  /** Returns the marks that wait for a bot, of these subjects and of all subjects in which they act. */
  stagedOf(keys: readonly Key[]): readonly MarkedSubject[] {
    const found: [Key, string][] = []
    for (const [name, staged] of this.staged) {
      for (const [key, mark] of staged)
        if (mark !== undefined && actsAsAny(key, keys)) found.push([key, name])
    }
    return markedSubjects(found)
  }

  /** Returns the names of a subject's marks that wait for a bot. */
  stagedMarks(key: Key): readonly string[] {
    return [...this.staged.keys()].filter((name) => this.stagedMark(name, key) !== undefined)
  }

  /** Reports marks that were requested and never written, because no bot was met. They are lost when the sentinel is closed. */
  reportUnwritten(): void {
    let count = 0
    for (const staged of this.staged.values())
      for (const mark of staged.values())
        if (mark === undefined || !lapsed(mark, this.services.clock())) count++
    if (count === 0 || !this.waits) return
    this.staged.clear()
    this.services.failed(
      new SentinelError(
        'bot.unknown',
        `close: changes of blocks, registrations and roles were never written (${count}), because this sentinel has met no bot. In a script, call await bot.init() and guard.install(bot) first.`,
      ),
      'close',
    )
  }

  private stage(name: string, key: Key, mark: Mark | undefined): void {
    // A large batch in progress was requested earlier, so it must not overwrite this subject any more.
    for (const { name: other, left } of this.running) if (other === name) left.delete(key)
    this.keep(name, key, mark)
  }

  private keep(name: string, key: Key, mark: Mark | undefined): void {
    const staged = this.staged.get(name) ?? new Map<Key, Mark | undefined>()
    this.staged.set(name, staged)
    // Once a bot is known, only marks that were requested before that are kept up to date, for bots that are met later.
    if (this.waits || staged.has(key)) staged.set(key, mark)
  }

  /** Prevents large batches in progress from writing marks that these subjects hold anywhere, except marks of the name `kept`. */
  forget(keys: readonly Key[], kept?: string): void {
    for (const { name, left } of this.running) {
      if (name === kept) continue
      for (const key of keys) left.delete(key)
      if (left instanceof Set) for (const key of left) if (actsAsAny(key, keys)) left.delete(key)
    }
  }

  private catchUp(bot: KnownBot): Promise<void> {
    const done = this.writeStaged(bot).finally(() => this.catchingUp.delete(bot.id))
    this.catchingUp.set(bot.id, done)
    return done
  }

  /**
   * Starts all writes before awaiting the first, so that a synchronous storage has them before the bot's first update is decided.
   */
  private async writeStaged(bot: KnownBot): Promise<void> {
    const { marks } = this.services.storage
    const writes: MaybePromise<unknown>[] = []
    const entries: [string, MarkEntry][] = []
    for (const [name, staged] of this.staged) {
      const all = [...staged.keys()].flatMap((key) => {
        const mark = this.stagedMark(name, key)
        return mark === undefined ? [] : [{ key, mark }]
      })
      // Only import() creates additions, so there are none unless its module is loaded.
      const held = all.filter(({ mark }) => listing.now?.additions.has(mark) !== true)
      if (held.length < all.length) {
        const later = new Set<Key>()
        const own = { name, left: { delete: (key: Key) => later.add(key) } }
        this.running.add(own)
        writes.push(
          listing.now?.add(this.services, bot.id, all, later).finally(() => this.running.delete(own)),
        )
      }
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
    return this.isBehind ? this.stagedMark(name, key) : undefined
  }

  /** Returns the blocks that wait for a bot. */
  private stagedBlocks(): readonly MarkEntry[] {
    if (!this.waits) return []
    return [...(this.staged.get(BLOCKED)?.keys() ?? [])].flatMap((key) => {
      const mark = this.stagedMark(BLOCKED, key)
      return mark === undefined ? [] : [{ key, mark }]
    })
  }

  /** Puts marks, for all known bots or for those met later. */
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

  /** Removes a mark from subjects. Returns how many held it. */
  async take(
    name: string,
    keys: readonly Key[],
    event: 'unblocked' | 'unregistered' | undefined,
  ): Promise<number> {
    let held = this.isBehind ? keys.filter((key) => this.stagedMark(name, key) !== undefined).length : 0
    for (const key of keys) this.stage(name, key, undefined)
    if (this.waits) return held
    const { storage, events } = this.services
    await this.services.forEachBot(name, async ({ id }) => {
      // Several subjects whose removal raises events are first asked for the mark, so that only holders are reported.
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

  /**
   * Whether marks are written in one call, before the method returns: always for a storage in this process, which has no
   * time-out.
   */
  private fits({ length }: readonly unknown[]): boolean {
    return length <= BATCH || this.services.storage.remote !== true
  }

  /** Runs the write of a large batch. Subjects for which something else is requested meanwhile are deleted from `left`. */
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

/** The write of a large batch in progress, and the subjects not written yet. */
interface Running {
  readonly name: string
  readonly left: { delete(key: Key): unknown }
  /** Absent while marks are written for a bot that was just met; see `catchingUp`. */
  readonly done?: Promise<unknown>
}

export function keysOf(whom: Subject | readonly Subject[], keyOf = subjectKey): readonly Key[] {
  return Array.isArray(whom) ? [...new Set(whom.map(keyOf))] : [keyOf(whom as Subject)]
}

/** Returns the end of a duration or the given moment, which must be in the future; undefined for a permanent mark. */
export function untilOf(
  { for: span, until }: Pick<BlockingOptions, 'for' | 'until'>,
  now: number,
  what: string,
): number | undefined {
  if (span !== undefined && until !== undefined) {
    throw new SentinelError(
      'option.invalid',
      `${what}: "for" and "until" contradict each other. Give one of the two.`,
    )
  }
  if (span === undefined && until === undefined) return undefined
  const date = until instanceof Date ? until.getTime() : (until as unknown)
  const at = span === undefined ? date : now + parseDuration(span, `${what}.for`)
  if (!isTime(at)) {
    throw new SentinelError(
      'option.invalid',
      `${what}.until: this is not a date. Pass a Date, or milliseconds since 1970.`,
    )
  }
  // Such a mark would replace the present one and expire at once, so it would lift a permanent block.
  if (at <= now) {
    const option = span === undefined ? 'until' : 'for'
    throw new SentinelError(
      'option.invalid',
      `${what}.${option}: this end is not in the future. Give a later one.`,
    )
  }
  return at
}
