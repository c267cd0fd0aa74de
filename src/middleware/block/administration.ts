import { z } from 'zod'
import { markedKey } from '../../core/chat-of.js'
import type { MaybePromise } from '../../core/check.js'
import { type Duration, parseDuration } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { later } from '../../core/later.js'
import { type Key, type Subject, subjectKey } from '../../core/subject.js'
import { isLapsed } from '../../storage/contract/lapse.js'
import type { Mark, MarkEntry } from '../../storage/contract/storage.js'
import { REGISTERED } from '../auth.js'
import { ALLOW_LISTED, acting, BLOCKED, blockable } from '../block.js'
import { option, parseOptions } from '../options/schema.js'
import type { KnownBot } from '../services/bots.js'
import type { Services } from '../services.js'
import { type Blocked, type BlockListExport, blockedOf, isTime } from './blocked.js'
import type { LargeWrite, StagedMarks } from './staged-marks.js'

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

const UNWRITTEN =
  'close: changes of blocks, registrations or roles may be lost, because no bot was met. Call guard.install(bot) first.'

/** Puts marks on subjects and removes them, for all known bots, or while none is known for the bots that are met later. */
export class Administration implements StagedMarks {
  readonly staged = new Map<string, Map<Key, Mark | undefined>>()
  readonly running = new Set<LargeWrite>()
  readonly catchingUp = new Map<number, Promise<void>>()

  constructor(readonly services: Services) {
    services.forEveryBot('marks', (bot) => this.catchUp(bot))
  }

  async block(whom: Subject | readonly Subject[], options: BlockingOptions = {}): Promise<void> {
    parseOptions('block', blockingOptions, options)
    const keys = keysOf(whom).map((key) => blockable(key, 'block'))
    const since = this.services.clock()
    const until = untilOf(options, since, 'block')
    await this.put(BLOCKED, keys, {
      since,
      ...(until === undefined ? {} : { until }),
      ...(options.reason === undefined ? {} : { reason: options.reason }),
    })
  }

  async unblock(whom: Subject | readonly Subject[]): Promise<number> {
    return this.take(BLOCKED, keysOf(whom, markedKey))
  }

  async allow(whom: Subject | readonly Subject[]): Promise<void> {
    const since = this.services.clock()
    const keys = keysOf(whom).map((key) => acting(key, 'allow'))
    await this.put(ALLOW_LISTED, keys, { since })
  }

  async disallow(whom: Subject | readonly Subject[]): Promise<number> {
    return this.take(ALLOW_LISTED, keysOf(whom))
  }

  async register(whom: Subject | readonly Subject[]): Promise<void> {
    const since = this.services.clock()
    const keys = keysOf(whom).map((key) => acting(key, 'register'))
    await this.put(REGISTERED, keys, { since })
  }

  async unregister(whom: Subject | readonly Subject[]): Promise<number> {
    return this.take(REGISTERED, keysOf(whom))
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
    yield* (await listing.load()).blockedIn(this)
  }

  async export(): Promise<BlockListExport> {
    return (await listing.load()).exported(this)
  }

  /** Merges an exported list into this one. Returns how many blocks were added or lengthened. Expired entries are skipped. */
  async import(list: BlockListExport): Promise<number> {
    const earlier = [...this.running]
    return this.many(BLOCKED, [], ({ importInto }, changed) => importInto(this, list, earlier, changed))
  }

  get waits(): boolean {
    return this.services.bots.all().length === 0
  }

  /** Whether staged marks may be missing from the storage. */
  private get isBehind(): boolean {
    return this.waits || this.catchingUp.size > 0
  }

  stagedMark(name: string, key: Key): Mark | undefined {
    const mark = this.staged.get(name)?.get(key)
    return mark === undefined || isLapsed(mark, this.services.clock()) ? undefined : mark
  }

  /** Reports marks that were requested and never written, because no bot was met. They are lost when the sentinel is closed. */
  async reportUnwritten(): Promise<void> {
    if (!this.waits || this.staged.size === 0) return
    await listing.load().then(
      ({ reportUnwritten }) => reportUnwritten(this),
      // Without the code that counts them, the operator still has to learn that marks are lost.
      (cause) => this.services.failed(new SentinelError('bot.unknown', UNWRITTEN, { cause }), 'close'),
    )
  }

  private stage(name: string, key: Key, mark: Mark | undefined): void {
    // A large batch in progress was requested earlier, so it must not overwrite this subject any more.
    for (const { name: other, changed } of this.running) if (other === name) changed.add(key)
    this.keep(name, key, mark)
  }

  keep(name: string, key: Key, mark: Mark | undefined): void {
    const staged = this.staged.get(name) ?? new Map<Key, Mark | undefined>()
    this.staged.set(name, staged)
    // Once a bot is known, only marks that were requested before that are kept up to date, for bots that are met later.
    if (this.waits || staged.has(key)) staged.set(key, mark)
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
      // Only import() makes additions, so there are none unless its module is loaded.
      const held = listing.now?.addImported(this, bot.id, name, all, writes) ?? all
      const gone = [...staged.keys()].filter((key) => staged.get(key) === undefined)
      for (let i = 0; i < held.length; i += BATCH)
        writes.push(marks.put(bot.id, name, held.slice(i, i + BATCH)))
      if (gone.length > 0) writes.push(marks.remove(bot.id, name, gone))
      for (const entry of held) entries.push([name, entry])
    }
    await Promise.all(writes)
    for (const [name, { key, mark }] of entries) this.tellPut(name, bot.id, key, mark)
  }

  private async markOf(name: string, key: Key): Promise<Mark | undefined> {
    for (const bot of this.services.bots.all()) {
      const mark = await this.services.storage.marks.get(bot.id, key, name)
      if (mark !== undefined) return mark
    }
    return this.isBehind ? this.stagedMark(name, key) : undefined
  }

  private tellPut(name: string, bot: number, key: Key, { reason }: Mark): void {
    if (isReported(name)) this.services.events.tell(name, { bot, key, reason })
  }

  /** Puts a mark on subjects, for all known bots or for those met later. */
  async put(name: string, keys: readonly Key[], mark: Mark): Promise<void> {
    for (const key of keys) this.stage(name, key, mark)
    if (this.waits) return
    const { marks } = this.services.storage
    await this.services.forEachBot(name, async (bot) => {
      const put = async (some: readonly Key[]): Promise<void> => {
        await marks.put(
          bot.id,
          name,
          some.map((key) => ({ key, mark })),
        )
        for (const key of some) this.tellPut(name, bot.id, key, mark)
      }
      return this.fits(keys)
        ? put(keys)
        : this.many(name, keys, ({ putAll }, changed) => putAll(keys, changed, put))
    })
  }

  /** Removes a mark from subjects and raises the usual event for that. Returns how many held it. */
  async take(name: string, keys: readonly Key[]): Promise<number> {
    const event = isReported(name) ? (`un${name}` as const) : undefined
    let held = this.isBehind ? keys.filter((key) => this.stagedMark(name, key) !== undefined).length : 0
    for (const key of keys) this.stage(name, key, undefined)
    if (this.waits) return held
    const { storage, events } = this.services
    await this.services.forEachBot(name, async ({ id }) => {
      // Several subjects whose removal raises events are first asked for the mark, so that only holders are reported.
      const atOnce = event === undefined ? this.fits(keys) : keys.length === 1
      const taken = await (atOnce
        ? storage.marks.remove(id, name, keys)
        : this.many(name, keys, ({ takeAll }, changed) =>
            takeAll(this.services, id, name, keys, changed, event),
          ))
      held = Math.max(held, taken)
      if (atOnce && event !== undefined && taken > 0) events.tell(event, { bot: id, key: keys[0] as Key })
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

  /** Runs the write of a large batch. Subjects for which something else is requested meanwhile are added to `changed`. */
  private async many<T>(
    name: string,
    keys: readonly Key[],
    work: (list: typeof import('./block-list.js'), changed: ReadonlySet<Key>) => Promise<T>,
  ): Promise<T> {
    const changed = new Set<Key>()
    const done = listing.load().then((list) => work(list, changed))
    const own = { name, keys, changed, done }
    this.running.add(own)
    try {
      return await done
    } finally {
      this.running.delete(own)
    }
  }
}

/** Whether events report who gets and loses a mark. They are named like the mark. */
function isReported(name: string): name is typeof BLOCKED | typeof REGISTERED {
  return name === BLOCKED || name === REGISTERED
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
