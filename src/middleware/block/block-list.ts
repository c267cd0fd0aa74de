import { isPromise, type MaybePromise } from '../../core/check.js'
import { SentinelError } from '../../core/errors.js'
import { type Key, keyText, subjectKey } from '../../core/subject.js'
import { isLapsed } from '../../storage/contract/lapse.js'
import { isHeld, pagesOf } from '../../storage/contract/pages.js'
import type { Mark, MarkEntry } from '../../storage/contract/storage.js'
import type { PatientMarks } from '../../storage/shared/patient-marks.js'
import { BLOCKED, blockable } from '../block.js'
import type { Services } from '../services.js'
import { type Blocked, type BlockListExport, blockedOf, isTime } from './blocked.js'
import type { LargeWrite, StagedMarks } from './staged-marks.js'

/** Lists every blocked subject once (again if it is blocked anew meanwhile), reading the storage page by page, then the blocks that wait for a bot. */
export async function* blockedIn(pending: StagedMarks): AsyncGenerator<Blocked, void, undefined> {
  const { services } = pending
  const { marks } = services.storage
  // Goes through the bots one by one. Subjects blocked for an earlier bot were listed already.
  const earlier: number[] = []
  for (const { id } of services.bots.all()) {
    for await (const { entries } of pagesOf((from) => marks.scan(id, BLOCKED, from))) {
      for (const entry of entries) {
        if (!(await isHeld(earlier, (bot) => marks.get(bot, entry.key, BLOCKED)))) yield blockedOf(entry)
      }
    }
    earlier.push(id)
  }
  if (!pending.waits) return
  for (const key of [...(pending.staged.get(BLOCKED)?.keys() ?? [])]) {
    const mark = pending.stagedMark(BLOCKED, key)
    if (mark !== undefined) yield blockedOf({ key, mark })
  }
}

/** Returns the block list as plain JSON. */
export async function exported(pending: StagedMarks): Promise<BlockListExport> {
  const blocked: BlockListExport['blocked'][number][] = []
  for await (const { subject, ...rest } of blockedIn(pending)) {
    blocked.push({ subject: keyText(subjectKey(subject)), ...rest })
  }
  return { version: 1, blocked }
}

/** Most marks that are read and then written in one call. */
const AT_ONCE = 100
/** Most marks that are written in one call without being read before. */
const PUT_AT_ONCE = 1000

/** Imported marks that wait for a bot. They never replace a longer block. */
const additions = new WeakSet<Mark>()

/**
 * Adds an exported list to the blocks that wait for bots and to those of the known bots. Returns how many subjects changed.
 *
 * @param earlier Writes in progress when the import was requested. They finish first, since they decide whether a block lengthens
 * another.
 * @param changed Subjects for which something else has been requested since; that request wins.
 */
export async function importInto(
  pending: StagedMarks,
  list: BlockListExport,
  earlier: readonly LargeWrite[],
  changed: ReadonlySet<Key>,
): Promise<number> {
  const { services } = pending
  await Promise.allSettled(earlier.flatMap(({ name, done }) => (name === BLOCKED ? [done] : [])))
  const { waits } = pending
  const staged = pending.staged.get(BLOCKED)
  const now = services.clock()
  const entries = readExport(list, now).filter(({ key }) => !changed.has(key))
  const imported = new Set<Key>()
  for (const { key, mark } of entries) {
    const known = staged?.get(key)
    if (known !== undefined && !isLapsed(known, now) && !outlasts(mark, known)) continue
    // Whether it is an addition depends on earlier requests, not on the content of the storage.
    if (known === undefined ? !staged?.has(key) : additions.has(known)) additions.add(mark)
    pending.keep(BLOCKED, key, mark)
    if (waits) imported.add(key)
  }
  if (!waits) {
    await services.forEachBot(BLOCKED, async ({ id }) => {
      // A list that was imported before the bot was met may still be on its way to the storage.
      await Promise.allSettled([pending.catchingUp.get(id)])
      for (const key of await lengthen(services, id, entries, changed)) imported.add(key)
    })
  }
  return imported.size
}

/** Starts to write those of the staged marks that were imported, for a newly met bot. Returns the others. */
export function addImported(
  { services, running }: StagedMarks,
  bot: number,
  name: string,
  staged: readonly MarkEntry[],
  writes: MaybePromise<unknown>[],
): readonly MarkEntry[] {
  const imported = staged.filter(({ mark }) => additions.has(mark))
  if (imported.length === 0) return staged
  const own = { name, keys: [], changed: new Set<Key>() }
  running.add(own)
  writes.push(lengthen(services, bot, imported, own.changed).finally(() => running.delete(own)))
  return staged.filter(({ mark }) => !additions.has(mark))
}

/** Reports the marks that no bot was met for, which are lost now. */
export function reportUnwritten({ services, staged: all, waits }: StagedMarks): void {
  let count = 0
  for (const staged of all.values())
    for (const mark of staged.values()) if (mark === undefined || !isLapsed(mark, services.clock())) count++
  if (count === 0 || !waits) return
  all.clear()
  services.failed(
    new SentinelError(
      'bot.unknown',
      `close: changes of blocks, registrations and roles were never written (${count}), because this sentinel has met no bot. In a script, call await bot.init() and guard.install(bot) first.`,
    ),
    'close',
  )
}

/**
 * Writes the blocks that last longer than the existing ones, raises their events and returns the subjects. Runs synchronously up
 * to its result if the storage is synchronous.
 */
async function lengthen(
  { storage, events }: Services,
  bot: number,
  entries: readonly MarkEntry[],
  changed: ReadonlySet<Key>,
): Promise<Key[]> {
  const marks: PatientMarks = storage.marks
  const lengthened: Key[] = []
  for (let from = 0; from < entries.length; from += AT_ONCE) {
    const part = entries.slice(from, from + AT_ONCE)
    const asked = part.map(({ key }) => marks.get(bot, key, BLOCKED, true))
    const held = asked.some(isPromise) ? await Promise.all(asked) : (asked as (Mark | undefined)[])
    const longer = part.filter(({ key, mark }, at) => !changed.has(key) && outlasts(mark, held[at]))
    const written = marks.put(bot, BLOCKED, longer)
    if (isPromise(written)) await written
    for (const { key, mark } of longer) {
      lengthened.push(key)
      events.tell('blocked', { bot, key, reason: mark.reason })
    }
  }
  return lengthened
}

/** Whether a block ends after another one; true if there is no other. */
export function outlasts({ until = Number.POSITIVE_INFINITY }: Mark, other: Mark | undefined): boolean {
  return other === undefined || until > (other.until ?? Number.POSITIVE_INFINITY)
}

/** Returns those of the subjects that hold a mark. */
async function heldAmong(
  marks: PatientMarks,
  bot: number,
  name: string,
  keys: readonly Key[],
): Promise<readonly Key[]> {
  const held: Key[] = []
  for (let from = 0; from < keys.length; from += AT_ONCE) {
    const part = keys.slice(from, from + AT_ONCE)
    const found = await Promise.all(part.map((key) => marks.get(bot, key, name, true)))
    held.push(...part.filter((_, at) => found[at] !== undefined))
  }
  return held
}

/** Puts a mark on many subjects in portions. */
export async function putAll(
  keys: readonly Key[],
  changed: ReadonlySet<Key>,
  put: (some: readonly Key[]) => Promise<void>,
): Promise<void> {
  await inPortions(keys, changed, PUT_AT_ONCE, put)
}

/** Removes a mark from many subjects and raises events for those who held it. Returns how many held it. */
export async function takeAll(
  { storage: { marks }, events }: Services,
  bot: number,
  name: string,
  keys: readonly Key[],
  changed: ReadonlySet<Key>,
  event: 'unblocked' | 'unregistered' | undefined,
): Promise<number> {
  let count = 0
  const isLeft = (key: Key): boolean => !changed.has(key)
  await inPortions(keys, changed, AT_ONCE, async (some) => {
    // Removed from all of them in any case: while the storage is down, the holders are unknown.
    const held = event === undefined ? [] : await heldAmong(marks, bot, name, some).catch(() => some)
    const holders = held.filter(isLeft)
    const taken = await marks.remove(bot, name, some.filter(isLeft))
    count += taken
    if (event === undefined || taken === 0) return
    for (const key of holders) events.tell(event, { bot, key })
  })
  return count
}

/** Portions in progress at the same time after one has failed. */
const PORTIONS = 10

/**
 * Processes portions one after another, each with a time-out of its own. Once a portion has failed, processes several at a time.
 * Rejects with the last error.
 */
async function inPortions(
  keys: readonly Key[],
  changed: ReadonlySet<Key>,
  size: number,
  work: (some: readonly Key[]) => Promise<void>,
): Promise<void> {
  const all = [...new Set(keys)].filter((key) => !changed.has(key))
  const under: Promise<void>[] = []
  const failures: unknown[] = []
  for (let from = 0; from < all.length; from += size) {
    const some = all.slice(from, from + size).filter((key) => !changed.has(key))
    if (some.length === 0) continue
    under.push(
      work(some).catch((error) => {
        failures.push(error)
      }),
    )
    // A storage that is down must not cost a time-out per portion; one that is only slow must not get all portions at once.
    if (failures.length === 0 || under.length === PORTIONS) await Promise.all(under.splice(0))
  }
  await Promise.all(under)
  // While a storage is down, a limited number of writes is kept for it. If that number was exceeded, the last error says so.
  if (failures.length > 0) throw failures.at(-1)
}

/** Returns the entries of an exported list that have not expired; for a subject with several, the one that ends last. */
function readExport(list: BlockListExport, now: number): MarkEntry[] {
  if (typeof list !== 'object' || list === null || list.version !== 1 || !Array.isArray(list.blocked)) {
    throw new SentinelError(
      'import.invalid',
      'import: this is not a block list. Pass the result of guard.export(): { version: 1, blocked: […] }.',
    )
  }
  const entries: readonly unknown[] = list.blocked
  const last = new Map<Key, MarkEntry>()
  const held = entries
    .map((entry, index) => {
      const { subject, since, until, reason } = (entry ?? {}) as Readonly<Record<string, unknown>>
      if (
        typeof subject !== 'string' ||
        !isTime(since) ||
        (until !== undefined && !isTime(until)) ||
        (reason !== undefined && typeof reason !== 'string')
      ) {
        throw badEntry(index, "it is not { subject: 'u1234567', since: ms, until?: ms, reason?: text }.")
      }
      const mark: Mark = {
        since,
        ...(until === undefined ? {} : { until }),
        ...(reason === undefined ? {} : { reason }),
      }
      try {
        return { key: blockable(subject, 'import'), mark }
      } catch (error) {
        throw badEntry(index, (error as Error).message, error)
      }
    })
    .filter(({ mark }) => !isLapsed(mark, now))
  for (const entry of held) if (outlasts(entry.mark, last.get(entry.key)?.mark)) last.set(entry.key, entry)
  return [...last.values()]
}

function badEntry(index: number, why: string, cause?: unknown): SentinelError {
  return new SentinelError('import.invalid', `import: entry ${index}: ${why} Nothing was imported.`, {
    cause,
  })
}
