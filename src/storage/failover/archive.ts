import { SentinelError } from '../../core/errors.js'
import type { Key } from '../../core/subject.js'
import type { Archive } from '../contract/archive.js'
import { guardedArchive } from '../resilient/guarded.js'
import { reasonOf } from '../resilient/reason.js'
import type { Member } from './member.js'

const of = ({ line, storage }: Member): Archive => guardedArchive(line, storage) as Archive

/** Reads from the first storage that answers, trying those that are up first. Restores and forgets in all storages. */
export function archiveOf(
  members: readonly Member[],
  userId: (bot: number, key: Key) => string,
): Archive | undefined {
  if (members.some(({ storage }) => storage.archive === undefined)) return undefined
  /** Asks the storages in turn. */
  const first = async <T>(work: (archive: Archive) => T): Promise<Awaited<T>> => {
    const errors: unknown[] = []
    for (const member of [...members].sort((a, b) => Number(b.isUp) - Number(a.isUp))) {
      try {
        return await work(of(member))
      } catch (error) {
        errors.push(error)
      }
    }
    throw errors[0]
  }
  return {
    contents: () => first((archive) => archive.contents()),
    restore: async (bot, users) => {
      const ids = users.map(({ key }) => userId(bot, key))
      for (const member of members) await member.inTurn(ids, () => of(member).restore(bot, users))
    },
    marksOf: (bot, keys) => first((archive) => archive.marksOf(bot, keys)),
    // A storage that misses this call is not brought up to date later, so the caller must be told.
    forget: async (bot, keys) => {
      const missed: string[] = []
      for (const member of members) {
        try {
          await of(member).forget(bot, keys)
        } catch (error) {
          // A storage that is itself made of several reports its own failures, which its line does not know.
          missed.push(`${member.index} (${member.line.circuit.reason || reasonOf(error)})`)
        }
      }
      if (missed.length === 0) return
      throw new SentinelError(
        'storage.unavailable',
        `forget: of the storages of failover(), counted from 0, these did not answer and keep their data: ${missed.join(', ')}. The others have deleted it. Call this again when health().storage.storages reports all as ok.`,
      )
    },
  }
}
