import type { Clock } from '../../core/clock.js'
import type { ChangeListener, StorageChange } from '../contract/changes.js'
import { Listeners } from '../contract/listeners.js'
import { type SessionStorage, type SessionsOptions, sessionsOver } from '../contract/sessions.js'
import type { StorageHealth } from '../contract/storage.js'
import { type Bounded, Documents, type GrammyAdapter, Turns } from './documents.js'
import { Indexes } from './index-tree.js'
import { GrammyMarks } from './marks.js'
import { GrammyUsers } from './users.js'
import { GrammyValues } from './values.js'

/** The durable part of a {@link Storage}, kept in an adapter of grammY. */
export class GrammyStorage {
  /** Where the adapter keeps its data is unknown; most use a server. */
  readonly remote = true
  readonly kind = 'grammy'
  readonly marks: GrammyMarks
  readonly users: GrammyUsers
  readonly values: GrammyValues
  private readonly documents: Documents
  private readonly turns = new Turns()
  private readonly changes = new Listeners<StorageChange>()
  private closed = false

  constructor(
    adapter: GrammyAdapter,
    prefix: string,
    private readonly clock: Clock,
    bounded: Bounded,
  ) {
    this.documents = new Documents(adapter, prefix, bounded)
    const indexes = new Indexes(this.documents)
    this.marks = new GrammyMarks(this.documents, indexes, this.turns, this.changes, clock)
    this.users = new GrammyUsers(this.documents, indexes, this.turns, clock)
    this.values = new GrammyValues(this.documents, indexes, this.turns, clock)
  }

  get isClosed(): boolean {
    return this.closed
  }

  sessions<T>(options?: SessionsOptions<T>): SessionStorage<T> {
    return sessionsOver(this.values, options, this.clock)
  }

  /** Reports changes by this process only, because adapters report none. */
  watch(listener: ChangeListener): () => void {
    return this.changes.add(listener)
  }

  tellReset(bot: number, key: string | number, slot: string | undefined): void {
    this.changes.tell({ kind: 'reset', bot, key, ...(slot !== undefined && { slot }) })
  }

  async health(): Promise<StorageHealth> {
    if (this.closed) return { ok: false, kind: 'grammy' }
    await this.documents.read(this.documents.nameOf('health'))
    return { ok: true, kind: 'grammy' }
  }

  async close(): Promise<void> {
    this.closed = true
    await this.turns.idle()
    this.changes.clear()
  }
}
