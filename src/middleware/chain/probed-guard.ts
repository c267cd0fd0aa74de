import type { Context } from 'grammy'
import type { Wired } from '../guard.js'
import { type Probe, type Step, stepped } from './probe.js'

/** Returns a guard's additional functions watched by a probe; the same object if the probe does not watch steps. */
export function probedGuard(wired: Wired<Context>, name: string, probe: Probe | undefined): Wired<Context> {
  if (probe?.step === undefined || (wired.observe === undefined && wired.admit === undefined)) return wired
  const observing: Step = { kind: 'guard', name, part: 'observe' }
  const admitting: Step = { kind: 'guard', name, part: 'admit' }
  return {
    ...wired,
    ...(wired.observe !== undefined && {
      observe: (facts, ctx) =>
        // Activities that the guard does not observe are not steps.
        probe.idle === true || wired.observes?.includes(facts.activity) === false
          ? wired.observe?.(facts, ctx)
          : stepped(probe, observing, () => wired.observe?.(facts, ctx)),
    }),
    ...(wired.admit !== undefined && {
      admit: (...update) =>
        probe.idle === true
          ? wired.admit?.(...update)
          : stepped(probe, admitting, () => wired.admit?.(...update)),
    }),
  }
}
