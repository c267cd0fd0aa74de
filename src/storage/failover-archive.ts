import type { Key } from '../core/subject.js'
import type { Archive } from './archive.js'
import type { Member } from './failover-member.js'
import { NOT_ASKED } from './resilient/line.js'

const of = ({ storage }: Member): Archive => storage.archive as Archive

/** Of the first that answers, which are those that are up before all others; what is restored or forgotten is so in all of them. */
export function archiveOf(
  members: readonly Member[],
  userId: (bot: number, key: Key) => string,
): Archive | undefined {
  if (members.some(({ storage }) => storage.archive === undefined)) return undefined
  /** However long it takes. */
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
    // Nothing makes up for what one misses of this, so whoever asks has to know.
    forget: async (bot, keys) => {
      const missed: unknown[] = []
      for (const { storage, line, index, isUp } of members) {
        try {
          if (isUp) await storage.archive?.forget(bot, keys)
          else throw NOT_ASKED
        } catch (error) {
          const also = ` Storage ${index} of failover() keeps what it has, all others have forgotten it: ask for it once more.`
          missed.push(line.unavailable('forget', error, also))
        }
      }
      if (missed.length > 0) throw missed[0]
    },
  }
}
