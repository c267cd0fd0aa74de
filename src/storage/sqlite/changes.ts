import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { type ChangeListener, ChangeListeners, type StorageChange } from '../changes.js'
import type { Link } from './link.js'

/** So many changes are kept for those who watch, and none for longer; whoever misses some is told of a gap. */
const KEPT = 10_000
export const KEPT_FOR: Ms = 300_000
/** How often changes of other processes are looked for, while somebody watches. */
const EVERY_MS = 100

/** Changes in a table, for other processes to read: SQLite has no way to tell them. */
export class Changes {
  private readonly listeners = new ChangeListeners()
  private seen = 0
  /** How far the file was written when it was last looked at. */
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

  /** Notes a change, within the transaction that makes it. */
  note(change: StorageChange): void {
    this.link.run(
      'INSERT INTO sentinel_changes (change, at) VALUES (?, ?)',
      JSON.stringify(change),
      this.clock(),
    )
    this.link.run('DELETE FROM sentinel_changes WHERE id <= ?', this.newest() - KEPT)
  }

  /** After a change was made and is kept. What goes wrong in telling of it undoes nothing, so whoever made it is not told. */
  made(): void {
    try {
      this.look()
    } catch (error) {
      this.version = undefined
      this.onError(error)
    }
  }

  /** Tells of what is new, own changes included. */
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

  /** Moves when another connection has written, or this one, which others may use: cheaper than to look. */
  private written(): string {
    const others = this.link.get<{ data_version: number }>('PRAGMA data_version')
    const own = this.link.get<{ rows: number }>('SELECT total_changes() AS rows')
    return `${others?.data_version} ${own?.rows}`
  }

  /** The number of the newest change, which may be gone by now. */
  private newest(): number {
    const row = this.link.get<{ seq: number }>(
      `SELECT seq FROM sqlite_sequence WHERE name = 'sentinel_changes'`,
    )
    return row?.seq ?? 0
  }
}
