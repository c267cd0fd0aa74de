import type { Ms } from '../../core/duration.js'
import { type Key, userKey } from '../../core/subject.js'
import type { Mark } from '../../storage/contract/storage.js'
import type { Services } from '../services.js'
import { readMark } from './read-mark.js'
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

/**
 * Marks users who can no longer be written to. The update itself tells, so that no failed message is needed to find out. Updates
 * may be delivered again, or to several processes, so the latest counts, not the last. Never rejects.
 */
export async function noteReach(
  services: Services,
  bot: number,
  transitions: readonly Transition[],
): Promise<void> {
  for (const { event, member, at, ctx } of transitions) {
    if (event !== 'botBlocked' && event !== 'botUnblocked') continue
    const { update_id } = ctx.update
    // The id of a malformed update may be a value that cannot be stored.
    const mark = { since: at, value: Number.isSafeInteger(update_id) ? update_id : null }
    try {
      await note(services, bot, userKey(member.id), event === 'botBlocked', mark)
    } catch (error) {
      services.failed(error, 'membership.unreachable')
    }
  }
}

async function note(
  { storage: { marks }, clock }: Services,
  bot: number,
  key: Key,
  isBlock: boolean,
  mark: Mark,
): Promise<void> {
  // If it cannot be read, this is written: the storage is down, and writes are kept for it.
  const last = await readMark(marks, bot, key, isBlock ? REACHABLE : UNREACHABLE)
  if (last !== undefined && !isLater(mark, last)) return
  if (isBlock) {
    await marks.put(bot, UNREACHABLE, [{ key, mark }])
    return
  }
  await marks.remove(bot, UNREACHABLE, [key])
  await marks.put(bot, REACHABLE, [{ key, mark: { ...mark, until: clock() + REACHABLE_FOR } }])
}

/** Whether an update came after the one that left a mark. Telegram's times are whole seconds; within one, update ids decide. */
function isLater({ since, value }: Mark, last: Mark): boolean {
  return since > last.since || (since === last.since && !(Number(last.value) >= Number(value)))
}
