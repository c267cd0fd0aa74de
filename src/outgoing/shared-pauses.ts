import { type Clock, systemClock } from '../core/clock.js'
import type { Ms } from '../core/duration.js'
import { type Key, keyText, textKey } from '../core/subject.js'
import type { StorageChange } from '../storage/changes.js'
import type { Storage } from '../storage/storage.js'

/** The mark of a chat that nothing is to be sent to before it lapses. */
export const PAUSED = 'outgoing.paused'
/** A pause that is over before others have heard of it is not told. */
const SHORTEST: Ms = 100
/** Tellings under way at most. */
const MOST_UNDER_WAY = 256
/** Pages of marks read when it begins. */
const MOST_PAGES = 10
/** Pauses at most that it knows again as its own. */
const MOST_TOLD = 10_000
/** How long after the storage did not take a listener it is asked again. */
const LISTEN_AGAIN: Ms = 5000

/**
 * Tells other workers which chats to wait for, and hears of theirs: a mark that lapses when the wait is over. The storage tells of
 * marks, so that calls ask it nothing.
 */
export class SharedPauses {
  /** Pauses of others. */
  heard = 0
  /** Not told or heard, since too much was under way. */
  missed = 0
  private readonly underWay = new Set<Promise<void>>()
  /** Until when, as it told others: the storage tells it, too. By key. */
  private readonly told = new Map<string, Ms>()
  private stop: (() => void) | undefined
  private begun = false
  private again: Ms = 0
  private ended = false

  constructor(
    private readonly storage: Pick<Storage, 'marks' | 'watch'>,
    private readonly bot: number,
    /** Closes the lane of a key for so long. */
    private readonly pause: (key: string, forMs: Ms) => void,
    private readonly failed: (error: unknown) => void,
    /** Of marks: milliseconds since 1970. */
    private readonly clock: Clock = systemClock,
  ) {}

  /** Listens from now on. To be called with every call: a storage that was away is asked again, though not all the time. */
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

  /** Tells others. */
  tell(key: string, forMs: Ms): void {
    if (forMs < SHORTEST || this.ended) return
    const since = this.clock()
    const mark = { since, until: Math.ceil(since + forMs) }
    this.note(key, mark.until)
    this.aside(async () => this.storage.marks.put(this.bot, PAUSED, [{ key: textKey(key), mark }]))
  }

  /** Listens no more, and waits for what is under way. */
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

  /** What cannot be told or heard costs others a 429 of their own, and no more. */
  private aside(work: () => Promise<void>): boolean {
    if (this.underWay.size >= MOST_UNDER_WAY) {
      this.missed++
      return false
    }
    const running = work()
      .catch((error: unknown) => {
        if (!this.ended) this.failed(error)
      })
      .finally(() => this.underWay.delete(running))
    this.underWay.add(running)
    return true
  }
}
