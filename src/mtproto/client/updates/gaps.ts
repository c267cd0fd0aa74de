import type { RpcCallMiddleware } from '@mtcute/core'
import type { Ms } from '../../../core/duration.js'
import { refusalIn } from '../calls/refusal.js'
import { ConcurrencyLimit } from '../concurrency-limit.js'
import type { Asked, GapRetries } from './gap-retries.js'
import { COMMON } from './progress.js'

/** Maximum number of channels caught up with at the same time; after a night offline there may be thousands. */
const AT_ONCE = 8

/**
 * Observes and limits the requests for missed updates: counts the gaps, and runs only a few requests at a time.
 */
export class Gaps {
  /** Number of gaps that were filled. */
  count = 0
  /** Total time from noticing a gap to filling it. */
  recoveryMs: Ms = 0
  /** Called for each gap, for metrics. */
  onRecovered: ((ms: Ms, kind: 'account' | 'channel') => void) | undefined
  /** By box, while its updates are fetched: when that began, and whether anything was missing. */
  readonly #open = new Map<number, { readonly since: Ms; found: boolean }>()
  readonly #turns = new ConcurrencyLimit(AT_ONCE)

  constructor(
    private readonly now: () => Ms,
    /** Called when the account's gap is too long for Telegram to fill; for channels mtcute reports this itself. */
    private readonly onTooLong: () => void,
    private readonly retries: GapRetries,
  ) {}

  readonly watching: RpcCallMiddleware = (ctx, next) => {
    const { request } = ctx
    switch (request._) {
      case 'updates.getDifference':
        return this.#watched({ box: COMMON, method: request._, pts: request.pts }, () =>
          Promise.resolve(next(ctx)),
        )
      case 'updates.getChannelDifference': {
        const { channel, pts, force } = request
        // mtcute sets `force` to fill a gap; without it this is our own lookup of the newest message.
        if (force !== true) return next(ctx)
        const box = 'channelId' in channel ? channel.channelId : COMMON
        const asked = { box, method: request._, pts }
        return this.#turns.run(() => this.#watched(asked, () => Promise.resolve(next(ctx))))
      }
      default:
        return next(ctx)
    }
  }

  async #watched<T>(asked: Asked, fetch: () => Promise<T>): Promise<T> {
    const { box } = asked
    const gap = this.#open.get(box) ?? { since: this.now(), found: false }
    this.#open.set(box, gap)
    let answer: T
    try {
      answer = await fetch()
    } catch (error) {
      if (!this.retries.broke(asked, error)) this.#open.delete(box)
      throw error
    }
    const refusal = refusalIn(answer)
    if (refusal !== undefined) {
      if (!this.retries.refused(asked, refusal)) this.#open.delete(box)
      return answer
    }
    this.retries.came(box)
    const { _: name, final, newMessages, otherUpdates, pts = 0 } = Object(answer) as Difference
    if ((newMessages?.length ?? 0) + (otherUpdates?.length ?? 0) > 0) gap.found = true
    if (name === 'updates.differenceTooLong') {
      this.onTooLong()
      // The answer names only a new `pts`; updates with another number may be missing, too, and mtcute does not ask for them.
      if (pts > asked.pts) this.retries.more(asked)
    }
    if (name?.endsWith('TooLong') === true) gap.found = true
    if (name === 'updates.differenceSlice' || final === false) return answer
    this.#open.delete(box)
    if (!gap.found) return answer
    const ms = this.now() - gap.since
    this.count++
    this.recoveryMs += ms
    this.onRecovered?.(ms, box === COMMON ? 'account' : 'channel')
    return answer
  }
}

/** The fields of the answers that are used here. */
interface Difference {
  readonly _?: string
  readonly final?: boolean
  readonly newMessages?: readonly unknown[]
  readonly otherUpdates?: readonly unknown[]
  readonly pts?: number
}
