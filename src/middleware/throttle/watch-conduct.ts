import type { Context } from 'grammy'
import { getOrInsert } from '../../core/maps.js'
import type { Wired } from '../guard.js'
import type { Services } from '../services.js'
import type { Adaptation } from './adapt.js'
import { Conduct } from './conduct.js'

/** Returns what an adapting limit does besides its check, which has this index. */
export function watchConduct(
  services: Services,
  slot: string,
  name: string,
  adaptation: Adaptation,
  index: number,
): Wired<Context> {
  const own = getOrInsert(services.shared.conduct, slot, () => new Conduct(services, slot, name, adaptation))
  let begun = false
  return {
    begin() {
      begun = true
      own.turn(adaptation)
      own.begin()
    },
    admit(facts, ctx, _, decision) {
      // Only updates that the limit has judged are good conduct: not those of exempt users, those that cost nothing, later parts
      // of an album or redelivered updates.
      if (decision?.waived === false && !Number.isNaN(decision.remaining[index])) own.passed(facts, ctx)
      return undefined
    },
    async drain() {
      if (begun) own.end()
      begun = false
    },
  }
}
