import type { Clock } from '../../core/clock.js'
import { formatLimit, type Limit } from '../../core/limit.js'
import type { Key } from '../../core/subject.js'
import type { Events } from '../../hooks/events.js'
import type { Storage } from '../../storage/contract/storage.js'
import type { SentinelEvents } from '../events.js'
import { type Adaptation, limitAt } from './adapt.js'
import { ADAPTED_MARK, storedLimit } from './runtime-limits.js'

/** What changing an adapted limit needs of the services. */
export interface Adapting {
  readonly storage: Pick<Storage, 'marks'>
  readonly clock: Clock
  readonly events: Events<SentinelEvents>
}

/** Whose limit changes, and in which direction. */
interface Change {
  readonly bot: number
  readonly key: Key
  readonly how: 'earn' | 'lose'
}

/** Changes the adapted limit of an actor, which is stored as a mark. */
export async function adaptLimit(
  { storage, clock, events }: Adapting,
  slot: string,
  adaptation: Adaptation,
  { bot, key, how }: Change,
): Promise<void> {
  const mark = `${ADAPTED_MARK}${slot}`
  const { base, bounds, holdFor } = adaptation
  const held = await storage.marks.get(bot, key, mark)
  const [stored, before] = [storedLimit(held), storedLimit(held, bounds)]
  const now = clock()
  const amount = nextAmount(adaptation, before?.amount ?? base.amount, how)
  const after = amount === base.amount ? undefined : limitAt(base, amount)
  if (after === undefined && held === undefined) return
  // At a bound, the mark is renewed only once half of its time has passed.
  const isSame = stored?.amount === amount && stored.burst === after?.burst && stored.per === base.per
  if (isSame && (held?.until ?? Number.POSITIVE_INFINITY) - now > holdFor / 2) return
  if (after === undefined) await storage.marks.remove(bot, mark, [key])
  else await storage.marks.put(bot, mark, [{ key, mark: { since: now, until: now + holdFor, value: after } }])
  if (spelled(before) !== spelled(after)) {
    events.tell('limit.changed', { bot, key, limit: slot, before, after, by: 'adapt' })
  }
}

function spelled(limit: Limit | undefined): string | undefined {
  return limit && formatLimit(limit)
}

/** Returns the next amount within the bounds. An amount stored under other options is clamped to them first. */
function nextAmount(adaptation: Adaptation, from: number, how: 'earn' | 'lose'): number {
  const { least, most, earnBy, loseTo } = adaptation
  const now = Math.min(most, Math.max(least, from))
  return how === 'earn' ? Math.min(most, now + earnBy) : Math.max(least, Math.floor(now * loseTo))
}
