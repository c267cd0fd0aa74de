import { isPromise } from '../../core/check.js'
import { SentinelError } from '../../core/errors.js'
import { type Key, keyText, subjectKey } from '../../core/subject.js'
import type { Mark, MarkEntry, Marks } from '../../storage/storage.js'
import { BLOCKED, blockable } from '../block.js'
import type { Services } from '../services.js'
import type { Blocked, BlockListExport } from './administration.js'
import { blockedOf, isTime, lapsed } from './blocked.js'

/** Everybody who is blocked, each once, a page of the storage at a time; then those whose block waits for a bot. */
export async function* blockedIn(
  services: Services,
  staged: () => readonly MarkEntry[],
): AsyncGenerator<Blocked, void, undefined> {
  const { marks } = services.storage
  // One bot after the other. Those who are blocked for an earlier bot were listed already.
  const earlier: number[] = []
  for (const bot of services.bots.all()) {
    let from: string | undefined
    do {
      const page = await marks.scan(bot.id, BLOCKED, from)
      for (const entry of page.entries) {
        if (!(await heldByAny(services, earlier, entry))) yield blockedOf(entry)
      }
      from = page.next
    } while (from !== undefined)
    earlier.push(bot.id)
  }
  for (const entry of staged()) yield blockedOf(entry)
}

async function heldByAny(
  { storage }: Services,
  bots: readonly number[],
  { key }: MarkEntry,
): Promise<boolean> {
  for (const bot of bots) {
    if ((await storage.marks.get(bot, key, BLOCKED)) !== undefined) return true
  }
  return false
}

/** A block list as plain JSON. */
export async function exported(all: AsyncIterable<Blocked>): Promise<BlockListExport> {
  const blocked: BlockListExport['blocked'][number][] = []
  for await (const { subject, ...rest } of all) {
    blocked.push({ subject: keyText(subjectKey(subject)), ...rest })
  }
  return { version: 1, blocked }
}

/** Marks asked for and written at once. */
const AT_ONCE = 100
/** Marks that are put at once, where nobody is asked for before. */
const PUT_AT_ONCE = 1000

/** Imported marks that wait for a bot: they take no longer ones away. */
export const additions = new WeakSet<Mark>()

/**
 * Adds an exported list to what waits for bots, or to what those have that are known; how many changed.
 *
 * @param earlier What was asked of many before this, and is awaited.
 * @param later Those of whom something else was asked meanwhile: that counts.
 * @param staged What waits.
 * @param stage Has a mark wait, too.
 */
export async function importInto(
  services: Services,
  list: BlockListExport,
  earlier: readonly Promise<unknown>[],
  later: ReadonlySet<Key>,
  staged: ReadonlyMap<Key, Mark | undefined> = new Map(),
  stage: (key: Key, mark: Mark) => void,
): Promise<number> {
  await Promise.allSettled(earlier)
  const now = services.clock()
  const entries = readExport(list, now).filter(({ key }) => !later.has(key))
  const waits = services.bots.all().length === 0
  const changed = new Set<Key>()
  for (const { key, mark } of entries) {
    const known = staged.get(key)
    if (known !== undefined && !lapsed(known, now) && !outlasts(mark, known)) continue
    // Whether it is an addition depends on what was asked before, not on what the storage has.
    if (known === undefined ? !staged.has(key) : additions.has(known)) additions.add(mark)
    stage(key, mark)
    if (waits) changed.add(key)
  }
  if (!waits) {
    await services.forEachBot(BLOCKED, async ({ id }) => {
      for (const key of await lengthen(services, id, entries, later)) changed.add(key)
    })
  }
  return changed.size
}

/** Puts those of what waited for a bot that were imported. */
export async function add(services: Services, bot: number, entries: readonly MarkEntry[]): Promise<void> {
  await lengthen(
    services,
    bot,
    entries.filter(({ mark }) => additions.has(mark)),
  )
}

/**
 * Puts the blocks that hold for longer than what is there, and tells of them; whose they were. Where the storage answers at once, so
 * is this done at once.
 */
async function lengthen(
  { storage: { marks }, events }: Services,
  bot: number,
  entries: readonly MarkEntry[],
  later?: ReadonlySet<Key>,
): Promise<Key[]> {
  const changed: Key[] = []
  for (let from = 0; from < entries.length; from += AT_ONCE) {
    const part = entries.slice(from, from + AT_ONCE)
    const asked = part.map(({ key }) => marks.get(bot, key, BLOCKED))
    const held = asked.some(isPromise) ? await Promise.all(asked) : (asked as (Mark | undefined)[])
    const longer = part.filter(({ key, mark }, at) => !later?.has(key) && outlasts(mark, held[at]))
    const written = marks.put(bot, BLOCKED, longer)
    if (isPromise(written)) await written
    for (const { key, mark } of longer) {
      changed.push(key)
      events.tell('blocked', { bot, key, reason: mark.reason })
    }
  }
  return changed
}

/** Whether a block ends after another; any does after none. */
export function outlasts({ until = Number.POSITIVE_INFINITY }: Mark, other: Mark | undefined): boolean {
  return other === undefined || until > (other.until ?? Number.POSITIVE_INFINITY)
}

/** Those of some who hold a mark. */
async function heldAmong(
  marks: Marks,
  bot: number,
  name: string,
  keys: readonly Key[],
): Promise<readonly Key[]> {
  const held: Key[] = []
  for (let from = 0; from < keys.length; from += AT_ONCE) {
    const part = keys.slice(from, from + AT_ONCE)
    const found = await Promise.all(part.map((key) => marks.get(bot, key, name)))
    held.push(...part.filter((_, at) => found[at] !== undefined))
  }
  return held
}

/** Puts many marks, so many at once. */
export async function putAll(
  entries: readonly MarkEntry[],
  left: ReadonlySet<Key>,
  put: (some: readonly MarkEntry[]) => Promise<void>,
): Promise<void> {
  const marks = new Map(entries.map((entry) => [entry.key, entry]))
  await inPortions(left, PUT_AT_ONCE, (keys) => put(keys.map((key) => marks.get(key) as MarkEntry)))
}

/** Takes a mark from many, and tells of those who held it; how many these were. */
export async function takeAll(
  { storage: { marks }, events }: Services,
  bot: number,
  name: string,
  left: ReadonlySet<Key>,
  event: 'unblocked' | 'unregistered' | undefined,
): Promise<number> {
  let count = 0
  const isLeft = (key: Key): boolean => left.has(key)
  await inPortions(left, AT_ONCE, async (some) => {
    // It is taken from all in any case: while the storage is down nobody knows who holds it.
    const held = event === undefined ? [] : await heldAmong(marks, bot, name, some).catch(() => some)
    const holders = held.filter(isLeft)
    const taken = await marks.remove(bot, name, some.filter(isLeft))
    count += taken
    if (event === undefined || taken === 0) return
    for (const key of holders) events.tell(event, { bot, key })
  })
  return count
}

/** Portions that are under way at once, after one has failed. */
const PORTIONS = 10

/**
 * Sees to a portion after the other, each with a time-out of its own, and, once one has failed, to several at once; rejects as the last
 * that failed.
 */
async function inPortions(
  left: ReadonlySet<Key>,
  size: number,
  work: (some: readonly Key[]) => Promise<void>,
): Promise<void> {
  const all = [...left]
  const under: Promise<void>[] = []
  const failures: unknown[] = []
  for (let from = 0; from < all.length; from += size) {
    const some = all.slice(from, from + size).filter((key) => left.has(key))
    if (some.length === 0) continue
    under.push(
      work(some).catch((error) => {
        failures.push(error)
      }),
    )
    // A storage that is away is not waited for portion by portion. Nor is all asked at once of one that may only be slow.
    if (failures.length === 0 || under.length === PORTIONS) await Promise.all(under.splice(0))
  }
  await Promise.all(under)
  // Only so much of what a storage misses is kept for it. Where the room ran out, the last of them says so.
  if (failures.length > 0) throw failures.at(-1)
}

/** The entries of an exported list that hold still; of several of one subject, the one that ends last. */
function readExport(list: BlockListExport, now: number): MarkEntry[] {
  if (typeof list !== 'object' || list === null || list.version !== 1 || !Array.isArray(list.blocked)) {
    throw new SentinelError(
      'import.invalid',
      'import: this is no block list. Pass what guard.export() gave: { version: 1, blocked: […] }.',
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
        throw badEntry(index, "it is no { subject: 'u1234567', since: ms, until?: ms, reason?: text }.")
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
    .filter(({ mark }) => !lapsed(mark, now))
  for (const entry of held) if (outlasts(entry.mark, last.get(entry.key)?.mark)) last.set(entry.key, entry)
  return [...last.values()]
}

function badEntry(index: number, why: string, cause?: unknown): SentinelError {
  return new SentinelError('import.invalid', `import: entry ${index}: ${why} Nothing was imported.`, {
    cause,
  })
}
