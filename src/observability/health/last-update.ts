import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Observed } from '../observed.js'

/** Notes from now on when updates come, and tells of the last. A look at the clock an update, so only once somebody asks. */
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
    // Without it a webhook would parse what it refuses unread, from the first look at health on.
    unread() {
      lastUpdateAt = clock()
    },
  })
  return () => (lastUpdateAt === undefined ? {} : { lastUpdateAt })
}
