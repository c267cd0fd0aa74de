import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { ChangeListener, StorageChange } from '../contract/changes.js'
import { Listeners } from '../contract/listeners.js'
import type { Link } from './link.js'

/** Maximum number of changes kept for watchers, and for how long. A watcher that misses some is told of a gap. */
const KEPT = 10_000
export const KEPT_FOR: Ms = 300_000
/** How often to look for changes by other processes while there are listeners. */
const EVERY_MS = 100

/** Keeps changes in a table for other processes to read, because SQLite cannot notify them. */
export class Changes {
  private readonly listeners = new Listeners<StorageChange>()
  private seen = 0
  /** The state of the file when it was last checked; see `written()`. */
  private version: string | undefined
  private callOff: (() => void) | undefined

  constructor(
    private readonly link: Link,
    private readonly clock: Clock,
    private readonly timers: Timers,
    private readonly onError: (error: unknown) => void,
  ) {}

  watch(listener: ChangeListener): () => void {
    if (!this.listeners.any) {
      this.seen = this.link.read(() => this.newest())
      this.version = undefined
    }
    const stop = this.listeners.add(listener)
    this.schedule()
    return () => {
      stop()
      if (!this.listeners.any) this.rest()
    }
  }

  /** Records a change, within the transaction that makes it. */
  note(change: StorageChange): void {
    this.link.run(
      'INSERT INTO sentinel_changes (change, at) VALUES (?, ?)',
      JSON.stringify(change),
      this.clock(),
    )
    this.link.run('DELETE FROM sentinel_changes WHERE id <= ?', this.newest() - KEPT)
  }

  /** Reports a committed change. A failure in reporting does not affect the change, so it is not thrown to the caller. */
  made(): void {
    try {
      this.look()
    } catch (error) {
      this.version = undefined
      this.onError(error)
    }
  }

  /** Reports new changes, including this process's own. */
  private look(): void {
    if (!this.listeners.any) return
    const { newest, found } = this.link.read(() => ({
      newest: this.newest(),
      found: this.link.all<{ id: number; change: string }>(
        'SELECT id, change FROM sentinel_changes WHERE id > ? ORDER BY id',
        this.seen,
      ),
    }))
    const missed = newest - this.seen > found.length
    if (missed) {
      this.seen = newest - found.length
      this.listeners.tell({ kind: 'gap' })
    }
    for (const { id, change } of found) {
      this.seen = id
      this.listeners.tell(JSON.parse(change) as StorageChange)
    }
  }

  close(): void {
    this.rest()
    this.listeners.clear()
  }

  private schedule(): void {
    this.callOff ??= this.timers.after(EVERY_MS, () => {
      this.callOff = undefined
      try {
        const version = this.written()
        if (version !== this.version) this.look()
        this.version = version
      } catch (error) {
        this.onError(error)
      }
      if (this.listeners.any) this.schedule()
    })
  }

  private rest(): void {
    this.callOff?.()
    this.callOff = undefined
  }

  /** Returns a text that changes when any connection has written, this one included. Cheaper than reading the table. */
  private written(): string {
    const others = this.link.get<{ data_version: number }>('PRAGMA data_version')
    const own = this.link.get<{ rows: number }>('SELECT total_changes() AS rows')
    return `${others?.data_version} ${own?.rows}`
  }

  /** Returns the number of the newest change, even if that has been deleted. */
  private newest(): number {
    const row = this.link.get<{ seq: number }>(
      `SELECT seq FROM sqlite_sequence WHERE name = 'sentinel_changes'`,
    )
    return row?.seq ?? 0
  }
}
