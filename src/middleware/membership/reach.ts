import type { Ms } from '../../core/duration.js'
import { getOrInsert } from '../../core/maps.js'
import { Lease } from '../../core/request-bound.js'
import { type Key, userKey } from '../../core/subject.js'
import type { PatientMarks } from '../../storage/patient-marks.js'
import type { Mark } from '../../storage/storage.js'
import type { Services } from '../services.js'
import type { Transition } from './transitions.js'

/**
 * The durable mark of users who blocked the bot. Not the mark `blocked` of the block list: with one mark for both,
 * a banned user could unban themselves by blocking the bot and letting it write again.
 */
export const UNREACHABLE = 'unreachable'
/** The mark of users who let the bot write again. It outlives every update of an earlier block that may still be delivered. */
const REACHABLE = 'reachable'
/** Telegram delivers updates for a day. */
const REACHABLE_FOR: Ms = 86_400_000
/** Most users of a bot who are remembered as looked up. */
const MOST = 10_000

/** Marks users who can no longer be written to. The update itself tells, so that no failed message is needed to find out. */
export class Reach {
  /** Users whose mark has been looked up, by bot: each is looked up once, so that messages cost no further round trips. */
  private readonly known = new Map<number, Set<number>>()
  private looking = false
  private readonly lease = new Lease()

  constructor(private readonly services: Services) {}

  /** Reads transitions. Updates may be delivered again, or to several processes, so the latest counts, not the last. Never rejects. */
  async note(bot: number, transitions: readonly Transition[]): Promise<void> {
    for (const { event, member, at, ctx } of transitions) {
      if (event !== 'botBlocked' && event !== 'botUnblocked') continue
      this.known.get(bot)?.delete(member.id)
      try {
        await this.mark(bot, userKey(member.id), event === 'botBlocked', {
          since: at,
          value: ctx.update.update_id,
        })
      } catch (error) {
        this.services.failed(error, 'membership.unreachable')
      }
    }
  }

  private async mark(bot: number, key: Key, isBlock: boolean, mark: Mark): Promise<void> {
    const { storage, clock } = this.services
    const { marks } = storage
    const last = await this.read(bot, key, isBlock ? REACHABLE : UNREACHABLE)
    if (last !== undefined && !isLater(mark, last)) return
    if (isBlock) {
      await marks.put(bot, UNREACHABLE, [{ key, mark }])
      return
    }
    await marks.remove(bot, UNREACHABLE, [key])
    await marks.put(bot, REACHABLE, [{ key, mark: { ...mark, until: clock() + REACHABLE_FOR } }])
  }

  /** Returns a mark; undefined also while it cannot be read, as writes are kept for the storage then. */
  private async read(bot: number, key: Key, name: string): Promise<Mark | undefined> {
    try {
      return await this.services.storage.marks.get(bot, key, name)
    } catch {
      return undefined
    }
  }

  /**
   * Notes that a user has written to the bot in private: the update about the end of a block may have been lost. Looks up one
   * user at a time, so that a crowd causes no flood of calls; the others are looked up when they write again.
   */
  heard(bot: number, user: number, since: Ms, update: number): void {
    const known = getOrInsert(this.known, bot, newSet)
    if (known.has(user) || (this.looking && !this.lease.isLost)) return
    if (known.size >= MOST) known.clear()
    if (this.begin(bot, user, { since, value: update })) known.add(user)
  }

  private begin(bot: number, user: number, mark: Mark): boolean {
    this.lease.renew()
    this.looking = this.services.background.run('membership.unreachable', () => this.lookUp(bot, user, mark))
    return this.looking
  }

  private async lookUp(bot: number, user: number, mark: Mark): Promise<void> {
    const marks: PatientMarks = this.services.storage.marks
    const key = userKey(user)
    try {
      const last = await marks.get(bot, key, UNREACHABLE, true)
      if (last !== undefined && isLater(mark, last)) await marks.remove(bot, UNREACHABLE, [key])
    } catch {
      // Not worth a report: the storage reports itself when it is down, and a later message of the user repeats this.
      this.known.get(bot)?.delete(user)
    } finally {
      this.looking = false
    }
  }
}

const newSet = (): Set<number> => new Set()

/** Whether an update came after the one that left a mark. Telegram's times are whole seconds; within one, update ids decide. */
function isLater({ since, value }: Mark, last: Mark): boolean {
  return since > last.since || (since === last.since && !(Number(last.value) >= Number(value)))
}
