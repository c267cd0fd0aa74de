import { keySubject, keyText } from '../../core/subject.js'
import type { StatsReport, StatsSubject } from './contract.js'
import { Distinct } from './distinct.js'
import { Frequency } from './frequency.js'
import { type HeavyHitters, together } from './heavy-hitters.js'
import { Named, type Slot } from './slot.js'

/** Parameters of a report. */
interface Frame {
  readonly from: number
  readonly until: number
  readonly workers: number
  readonly top: number
}

/** Combines slots into a report. */
export function reportOf(slots: readonly Slot[], { from, until, workers, top }: Frame): StatsReport {
  const sum = { updates: 0, allowed: 0, denied: 0, shadow: 0 }
  const activities = new Named()
  const denials = new Named()
  const active = Distinct.empty()
  const often = Frequency.empty()
  for (const slot of slots) {
    sum.updates += slot.updates
    sum.allowed += slot.allowed
    sum.denied += slot.denied
    sum.shadow += slot.shadow
    for (const [name, count] of slot.activities.counts) activities.add(name, count)
    for (const [name, count] of slot.denials.counts) denials.add(name, count)
    active.merge(slot.active)
    often.merge(slot.often)
  }
  return {
    from,
    until,
    workers,
    ...sum,
    // The sum is negative if updates admitted before the window were denied within it.
    allowed: Math.max(0, sum.allowed),
    active: Math.round(active.estimate),
    activities: most(activities).map(([activity, count]) => ({ activity, count })),
    denials: most(denials).map(([name, count]) => {
      const [guard = '', reason = ''] = name.split(' ')
      return { guard, reason, count }
    }),
    talkers: subjects(
      slots.map(({ talkers }) => talkers),
      top,
      often,
    ),
    refused: subjects(
      slots.map(({ refused }) => refused),
      top,
    ),
  }
}

function most({ counts }: Named): [name: string, count: number][] {
  return [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
}

/** Both sketches give upper bounds, with independent errors, so the smaller one is better. */
function subjects(all: readonly HeavyHitters[], top: number, often?: Frequency): StatsSubject[] {
  const hitters = together(all).map(({ key, atLeast, atMost }) => ({
    key,
    atLeast,
    atMost: often === undefined ? atMost : Math.min(atMost, often.estimate(key)),
  }))
  return hitters
    .sort(
      (a, b) => b.atMost - a.atMost || b.atLeast - a.atLeast || (keyText(a.key) < keyText(b.key) ? -1 : 1),
    )
    .slice(0, top)
    .map(({ key, atLeast, atMost }) => {
      const { kind, id } = keySubject(keyText(key))
      return { kind, id, atLeast, atMost }
    })
}
