import type { BaseTelegramClient } from '@mtcute/core/client.js'
import type { Ms } from '../../core/duration.js'

/** A timer may run this much before its time. */
const EARLY: Ms = 2

/**
 * mtcute postpones an update that leaves a gap, and fetches the gap half a second later. When that time is over, its timer sets a
 * flag, but mtcute 0.30.3 clears the flag at the end of a pass, also if it was set during the pass, or by the pass itself: then the
 * update waits until another one comes. This derives the flag from the updates that wait.
 */
export function noticePostponed(base: BaseTelegramClient): void {
  const { updates } = base
  if (updates === undefined) return
  const { pendingPtsUpdatesPostponed: byPts, pendingQtsUpdatesPostponed: byQts } = updates
  Object.defineProperty(updates, 'hasTimedoutPostponed', {
    get: () => {
      if (byPts.length + byQts.length === 0) return false
      // An update of which the timer came early is looked at once more, which sets the timer again.
      const now = performance.now() + EARLY
      const isDue = ({ timeout = now }: { readonly timeout?: number }) => timeout <= now
      return byPts.raw.some(isDue) || byQts.raw.some(isDue)
    },
    set: () => undefined,
  })
}
