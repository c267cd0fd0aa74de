import type { Key } from '../../core/subject.js'
import type { House } from '../house.js'
import { type Adaptation, limitAt } from './adapt.js'
import { ADAPTED_MARK, storedLimit } from './runtime-limits.js'

/** Whose limit changes, and which way. */
export interface Change {
  readonly bot: number
  readonly key: Key
  readonly how: 'earn' | 'lose'
}

/** Changes the limit of one, which is a mark of theirs. */
export async function adaptLimit(
  { storage, clock, events }: House,
  slot: string,
  adaptation: Adaptation,
  { bot, key, how }: Change,
): Promise<void> {
  const mark = `${ADAPTED_MARK}${slot}`
  const { base, holdFor } = adaptation
  const held = await storage.marks.get(bot, key, mark)
  const before = storedLimit(held)
  const now = clock()
  const amount = nextAmount(adaptation, before?.amount ?? base.amount, how)
  const after = amount === base.amount ? undefined : limitAt(adaptation, amount)
  if (after === undefined && held === undefined) return
  // At a bound nothing is written until half of the time has passed.
  const isSame = before?.amount === amount && before.burst === after?.burst && before.per === base.per
  if (isSame && (held?.until ?? Number.POSITIVE_INFINITY) - now > holdFor / 2) return
  if (after === undefined) await storage.marks.remove(bot, mark, [key])
  else await storage.marks.put(bot, mark, [{ key, mark: { since: now, until: now + holdFor, value: after } }])
  if (!isSame) events.tell('limit.changed', { bot, key, limit: slot, before, after, by: 'adapt' })
}

/** The amount that follows, never out of bounds. Whatever was stored under other options is brought within them first. */
function nextAmount(adaptation: Adaptation, from: number, how: 'earn' | 'lose'): number {
  const { least, most, earnBy, loseTo } = adaptation
  const now = Math.min(most, Math.max(least, from))
  return how === 'earn' ? Math.min(most, now + earnBy) : Math.max(least, Math.floor(now * loseTo))
}
