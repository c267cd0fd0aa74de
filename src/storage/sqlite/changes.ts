import type { Timers } from '../../core/clock.js'
import { type ChangeListener, ChangeListeners, type StorageChange } from '../changes.js'
import type { Link } from './link.js'

/** So many changes are kept for those who watch; whoever misses more is told of a gap. */
const KEPT = 10_000
/** How often changes of other processes are looked for, while somebody watches. */
const EVERY_MS = 100

/** Changes in a table, for other processes to read: SQLite has no way to tell them. */
export class Changes {
  private readonly listeners = new ChangeListeners()
  private seen = 0
  private version: number | undefined
  private callOff: (() => void) | undefined

  constructor(
    private readonly link: Link,
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
    this.link.run('INSERT INTO sentinel_changes (change) VALUES (?)', JSON.stringify(change))
    this.link.run('DELETE FROM sentinel_changes WHERE id <= ?', this.newest() - KEPT)
  }

  /** Tells of what is new, own changes included. */
  look(): void {
    if (!this.listeners.any) return
    const found = this.link.read(() =>
      this.link.all<{ id: number; change: string }>(
        'SELECT id, change FROM sentinel_changes WHERE id > ? ORDER BY id',
        this.seen,
      ),
    )
    const [first] = found
    if (first !== undefined && first.id > this.seen + 1) this.listeners.tell({ kind: 'gap' })
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
        // A number that moves when somebody else has written: cheaper than to look.
        const version = this.link.get<{ data_version: number }>('PRAGMA data_version')?.data_version
        if (version !== this.version) {
          this.version = version
          this.look()
        }
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

  private newest(): number {
    return this.link.get<{ id: number | null }>('SELECT max(id) AS id FROM sentinel_changes')?.id ?? 0
  }
}
