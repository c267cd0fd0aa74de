import type { Clock } from '../../core/clock.js'
import { errorText } from '../../core/redact.js'
import type {
  FailureEvent,
  OverdueEvent,
  SentinelEvents,
  StorageDownEvent,
  StorageUpEvent,
  WarningEvent,
} from '../events.js'

/** Writes failures and warnings without listeners to the console, each kind of failure at most once in ten seconds. */
export class LastResort {
  private readonly saidAt = new Map<string, number>()

  constructor(private readonly clock: Clock) {}

  tell(event: keyof SentinelEvents, payload: unknown): void {
    if (event === 'warning') console.warn(`grammy-sentinel: ${(payload as WarningEvent).message}`)
    if (event === 'storage.down') {
      const { kind, reason, message } = payload as StorageDownEvent
      const said = message === undefined ? '' : ` ${message.replace(/[^.?!]$/, '$&.')}`
      console.warn(`grammy-sentinel: the storage (${kind}) is down: ${reason}.${said} See guard.health().`)
    }
    if (event === 'storage.up') {
      const { kind, afterMs } = payload as StorageUpEvent
      console.warn(`grammy-sentinel: the storage (${kind}) is back after ${afterMs} ms.`)
    }
    if (event === 'overdue') {
      const { guard, limit, ms } = payload as OverdueEvent
      this.once(`${guard}.${limit}`, () =>
        console.warn(
          `grammy-sentinel: a handler kept others waiting at ${guard}.${limit} for ${ms} ms; the next was admitted beside it.`,
        ),
      )
    }
    if (event !== 'error') return
    const { error, during } = payload as FailureEvent
    const then = during === 'wiring' ? 'these guards refuse everybody' : 'updates are decided all the same'
    this.once(during, () =>
      console.error(`grammy-sentinel: error during ${during}; ${then}. ${errorText(error)}`),
    )
  }

  /** Calls `say` at most once in ten seconds for the same text. */
  private once(what: string, say: () => void): void {
    const now = this.clock()
    if (now - (this.saidAt.get(what) ?? Number.NEGATIVE_INFINITY) < 10_000) return
    if (this.saidAt.size >= 100) this.saidAt.clear()
    this.saidAt.set(what, now)
    say()
  }
}
