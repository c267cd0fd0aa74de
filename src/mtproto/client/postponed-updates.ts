import type { BaseTelegramClient } from '@mtcute/core/client.js'

/**
 * mtcute postpones an update that leaves a gap, and fetches the gap half a second later. When that time is over, its timer sets a
 * flag, but mtcute 0.30.3 clears the flag at the end of a pass, also if it was set during the pass, or by the pass itself; and its
 * timer ignores a second update whose time is later than that of the first. Then the update waits until another one comes. This sets
 * the timer anew whenever mtcute has nothing to do but wait.
 */
export function noticePostponed(base: BaseTelegramClient): void {
  const { updates } = base
  if (updates === undefined) return
  const {
    postponedTimer: timer,
    updatesLoopCv: loop,
    pendingPtsUpdatesPostponed: byPts,
    pendingQtsUpdatesPostponed: byQts,
  } = updates
  const wait = loop.wait.bind(loop)
  loop.wait = () => {
    let first = Number.POSITIVE_INFINITY
    for (const { channelId, timeout = 0 } of byPts.raw) {
      // mtcute keeps, but does not look at, updates of a channel whose position it has forgotten, as it does after a ban.
      const position = channelId ? updates.cpts.get(channelId) : updates.pts
      if (position) first = Math.min(first, timeout)
    }
    for (const { timeout = 0 } of byQts.raw) first = Math.min(first, timeout)
    timer.reset()
    // Sets the flag at once if the time is over.
    if (first < Number.POSITIVE_INFINITY) timer.emitBefore(first)
    return updates.hasTimedoutPostponed ? Promise.resolve() : wait()
  }
}
