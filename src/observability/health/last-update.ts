import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Observed } from '../observed.js'

/** Returns the time of the last update, if there was one. */
interface LastUpdate {
  (): { readonly lastUpdateAt?: Ms }
  /** Stops recording. */
  readonly stop: () => void
}

/** Records when updates come. Costs a clock reading for each update. */
export function lastUpdateOf(guard: Pick<Observed, 'probe'>, clock: Clock): LastUpdate {
  let lastUpdateAt: Ms | undefined
  const stop = guard.probe({
    update(ctx, next, go) {
      lastUpdateAt = clock()
      return go(ctx, next)
    },
    // Without this handler a webhook would have to parse updates that it could refuse unparsed.
    unread() {
      lastUpdateAt = clock()
    },
  })
  return Object.assign(() => (lastUpdateAt === undefined ? {} : { lastUpdateAt }), { stop })
}
