import { SentinelError } from '../../core/errors.js'
import { keyText, subjectKey } from '../../core/subject.js'
import type { Mark, MarkEntry } from '../../storage/storage.js'
import { BLOCKED, blockable } from '../block.js'
import type { House } from '../house.js'
import type { Blocked, BlockListExport } from './administration.js'
import { blockedOf, isTime, lapsed } from './blocked.js'

/** Everybody who is blocked, each once, a page of the storage at a time; then those whose block waits for a bot. */
export async function* blockedIn(
  house: House,
  staged: () => readonly MarkEntry[],
): AsyncGenerator<Blocked, void, undefined> {
  const { marks } = house.storage
  // Bots are looked through one after the other: whom an earlier one blocks was already told.
  const earlier: number[] = []
  for (const bot of house.bots.all()) {
    let from: string | undefined
    do {
      const page = await marks.scan(bot.id, BLOCKED, from)
      for (const entry of page.entries) {
        if (!(await heldByAny(house, earlier, entry))) yield blockedOf(entry)
      }
      from = page.next
    } while (from !== undefined)
    earlier.push(bot.id)
  }
  for (const entry of staged()) yield blockedOf(entry)
}

async function heldByAny({ storage }: House, bots: readonly number[], { key }: MarkEntry): Promise<boolean> {
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

/** The entries of an exported list that hold still. */
export function readExport(list: BlockListExport, now: number): MarkEntry[] {
  if (typeof list !== 'object' || list === null || list.version !== 1 || !Array.isArray(list.blocked)) {
    throw new SentinelError(
      'import.invalid',
      'import: this is no block list. Pass what guard.export() gave: { version: 1, blocked: […] }.',
    )
  }
  const entries: readonly unknown[] = list.blocked
  return entries
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
}

function badEntry(index: number, why: string, cause?: unknown): SentinelError {
  return new SentinelError('import.invalid', `import: entry ${index}: ${why} Nothing was imported.`, {
    cause,
  })
}
