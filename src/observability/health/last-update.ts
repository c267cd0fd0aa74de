import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Observed } from '../observed.js'

/** Records when updates come, and returns a function for the time of the last. Costs a clock reading for each update. */
export function lastUpdateOf(
  guard: Pick<Observed, 'probe'>,
  clock: Clock,
): () => { readonly lastUpdateAt?: Ms } {
  let lastUpdateAt: Ms | undefined
  guard.probe({
    update(ctx, next, go) {
      lastUpdateAt = clock()
      return go(ctx, next)
    },
    // Without this handler a webhook would have to parse updates that it could refuse unparsed.
    unread() {
      lastUpdateAt = clock()
    },
  })
  return () => (lastUpdateAt === undefined ? {} : { lastUpdateAt })
}
