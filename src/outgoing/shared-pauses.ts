import { type Clock, systemClock } from '../core/clock.js'
import type { Ms } from '../core/duration.js'
import { type Key, keyText, textKey } from '../core/subject.js'
import type { StorageChange } from '../storage/contract/changes.js'
import type { Storage } from '../storage/contract/storage.js'
import { PAUSED } from './pause-mark.js'

/** Shorter pauses are not shared, since they would end before other workers learn of them. */
const SHORTEST: Ms = 100
/** Most background tasks at a time. */
const MOST_UNDER_WAY = 256
/** Most pages of marks to read at the start. */
const MOST_PAGES = 10
/** Most own pauses to remember. */
const MOST_TOLD = 10_000
/** Delay before watching the storage is tried again. */
const LISTEN_AGAIN: Ms = 5000

/**
 * Shares pauses between workers: a pause is a mark that expires with it. The storage notifies workers of new marks, so calls
 * never have to query it.
 */
export class SharedPauses {
  /** Pauses received from other workers. */
  heard = 0
  private readonly underWay = new Set<Promise<void>>()
  /** When own shared pauses end, by key, to recognize them in notifications. */
  private readonly told = new Map<string, Ms>()
  private stop: (() => void) | undefined
  private begun = false
  private again: Ms = 0
  private ended = false

  constructor(
    private readonly storage: Pick<Storage, 'marks' | 'watch'>,
    private readonly bot: number,
    /** Closes the lane of a key for a time. */
    private readonly pause: (key: string, forMs: Ms) => void,
    private readonly failed: (error: unknown) => void,
    /** Clock for marks, in milliseconds since 1970. */
    private readonly clock: Clock = systemClock,
  ) {}

  /** Starts watching the storage. Called with every call, so that watching is tried again after a failure, but not too often. */
  begin(): void {
    if (this.begun || this.clock() < this.again) return
    this.begun = true
    if (!this.aside(() => this.listen())) this.begun = false
  }

  private async listen(): Promise<void> {
    let stop: () => void
    try {
      stop = await this.storage.watch((change) => this.changed(change))
    } catch (error) {
      this.begun = false
      this.again = this.clock() + LISTEN_AGAIN
      throw error
    }
    if (this.ended) return stop()
    this.stop = stop
    await this.readAll()
  }

  /** Shares a pause with other workers. */
  tell(key: string, forMs: Ms): void {
    if (forMs < SHORTEST || this.ended) return
    const since = this.clock()
    const mark = { since, until: Math.ceil(since + forMs) }
    this.note(key, mark.until)
    this.aside(async () => this.storage.marks.put(this.bot, PAUSED, [{ key: textKey(key), mark }]))
  }

  /** Stops watching and waits for background tasks. */
  async end(): Promise<void> {
    this.ended = true
    this.stop?.()
    while (this.underWay.size > 0) await Promise.all(this.underWay)
  }

  private changed(change: StorageChange): void {
    if (change.kind === 'gap') this.aside(() => this.readAll())
    if (change.kind !== 'marks' || change.name !== PAUSED || change.bot !== this.bot) return
    for (const key of change.keys) this.aside(() => this.read(key))
  }

  private async read(key: Key): Promise<void> {
    const mark = await this.storage.marks.get(this.bot, key, PAUSED)
    if (mark?.until !== undefined) this.hear(key, mark.until)
  }

  private note(key: string, until: Ms): void {
    this.told.delete(key)
    const now = this.clock()
    for (const [first, lapsesAt] of this.told) {
      if (lapsesAt > now && this.told.size < MOST_TOLD) break
      this.told.delete(first)
    }
    this.told.set(key, until)
  }

  private async readAll(): Promise<void> {
    let from: string | undefined
    for (let page = 0; page < MOST_PAGES && !this.ended; page++) {
      const { entries, next } = await this.storage.marks.scan(this.bot, PAUSED, from)
      for (const { key, mark } of entries) if (mark.until !== undefined) this.hear(key, mark.until)
      if (next === undefined) return
      from = next
    }
  }

  private hear(key: Key, until: Ms): void {
    const forMs = until - this.clock()
    const text = keyText(key)
    if (forMs <= 0 || this.ended || this.told.get(text) === until) return
    this.heard++
    this.pause(text, forMs)
  }

  /** Runs a task in the background. If it is dropped or fails, other workers just get a 429 of their own. */
  private aside(work: () => Promise<void>): boolean {
    if (this.underWay.size >= MOST_UNDER_WAY) return false
    const running = work()
      .catch((error: unknown) => {
        if (!this.ended) this.failed(error)
      })
      .finally(() => this.underWay.delete(running))
    this.underWay.add(running)
    return true
  }
}
