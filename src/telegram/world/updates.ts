import type { Update } from 'grammy/types'
import type { Ms } from '../../core/duration.js'
import { Line } from './collections/line.js'
import { Listeners } from './collections/listeners.js'

export type UpdateKind = Exclude<keyof Update, 'update_id'>

/** Kinds of updates that Telegram sends only to bots that list them in `allowed_updates`. */
const ONLY_WHEN_NAMED: ReadonlySet<string> = new Set([
  'chat_member',
  'message_reaction',
  'message_reaction_count',
])
/** Telegram keeps an update for a day. */
const KEPT_FOR: Ms = 86_400_000
/** Maximum number of updates per bot, for bots that never fetch them; beyond it the oldest are dropped. */
const KEPT_AT_MOST = 100_000
/** Maximum distance of a confirming offset beyond the next id. */
const FARTHEST_AHEAD = 10
const FIRST_UPDATE_ID = 100_000_001

export interface PendingUpdate {
  readonly update: Update
  readonly at: Ms
  /** Injected by the test, so its id may be below the bot's offset; kept until it was handed out once. */
  readonly injected: boolean
  handedOut: boolean
}

/** The pending updates of one bot. Ids are sequential; an update is removed when the bot confirms it. */
export class UpdateQueue {
  readonly #pending = new Line<PendingUpdate>()
  /** Number of pending updates that were injected. */
  #injected = 0
  #nextId = FIRST_UPDATE_ID
  #allowed: ReadonlySet<UpdateKind> | undefined
  /** Told whenever an update was added or removed. */
  readonly changed = new Listeners<[]>()
  /** Told of each update as it is queued. */
  readonly queued = new Listeners<[Update]>()

  constructor(private readonly now: () => Ms) {}

  /** Sets the wanted kinds. An empty list means Telegram's default; `undefined` keeps the previous choice. */
  allow(kinds: readonly UpdateKind[] | undefined): void {
    if (kinds !== undefined) this.#allowed = kinds.length === 0 ? undefined : new Set(kinds)
  }

  get allowed(): readonly UpdateKind[] | undefined {
    return this.#allowed === undefined ? undefined : [...this.#allowed]
  }

  wants(kind: UpdateKind): boolean {
    return this.#allowed === undefined ? !ONLY_WHEN_NAMED.has(kind) : this.#allowed.has(kind)
  }

  push<K extends UpdateKind>(kind: K, payload: NonNullable<Update[K]>): void {
    if (this.wants(kind)) this.#add({ update_id: this.#nextId, [kind]: payload }, false)
  }

  /** Adds an update as it is, ignoring `allowed_updates`. Without an id it gets the next one. */
  inject(update: Omit<Update, 'update_id'> & { update_id?: number }): Update {
    const whole: Update = { ...update, update_id: update.update_id ?? this.#nextId }
    this.#add(whole, true)
    return whole
  }

  #add(update: Update, injected: boolean): void {
    const { update_id } = update
    // Injected updates may have any id, including unsafe integers, which have no successor.
    if (Number.isSafeInteger(update_id + 1) && update_id >= this.#nextId) this.#nextId = update_id + 1
    if (this.#pending.size >= KEPT_AT_MOST) this.#dropOldest(1)
    this.#pending.add({ update, at: this.now(), injected, handedOut: false })
    if (injected) this.#injected++
    this.queued.tell(update)
    this.changed.tell()
  }

  /** Removes all updates below `offset`, unless the offset is far in the future (TQueue::get in td/tddb/td/db/TQueue.cpp). */
  confirm(offset: number): void {
    if (offset > this.#nextId + FARTHEST_AHEAD) return
    const before = this.#pending.size
    for (const entry of this.#pending) {
      const { update_id } = entry.update
      // Ids are in order of arrival, unless updates were injected.
      if (update_id >= offset && this.#injected === 0) break
      if (update_id < offset && (entry.handedOut || !entry.injected)) this.#forget(entry)
    }
    if (this.#pending.size !== before) this.changed.tell()
  }

  /** Drops all but the last `count` updates, for a negative offset of getUpdates. */
  forgetAllBut(count: number): void {
    if (this.#pending.size <= count) return
    this.#dropOldest(this.#pending.size - count)
    this.changed.tell()
  }

  remove(entry: PendingUpdate): void {
    if (this.#forget(entry)) this.changed.tell()
  }

  /** Returns updates sorted by id, even if an older one was injected later: bots confirm with the last id they got. */
  handOut(limit: number): Update[] {
    const updates: Update[] = []
    for (const entry of this.pending()) {
      if (updates.length === limit) break
      entry.handedOut = true
      updates.push(entry.update)
    }
    return updates.sort((a, b) => a.update_id - b.update_id)
  }

  /** Updates that are not older than a day, in order of arrival. */
  pending(): Line<PendingUpdate> {
    const oldest = this.now() - KEPT_FOR
    for (let { first } = this.#pending; first !== undefined && first.at < oldest; first = this.#pending.first)
      this.#forget(first)
    return this.#pending
  }

  get size(): number {
    return this.pending().size
  }

  #dropOldest(count: number): void {
    for (let { first } = this.#pending; first !== undefined && count > 0; first = this.#pending.first) {
      this.#forget(first)
      count--
    }
  }

  #forget(entry: PendingUpdate): boolean {
    const waited = this.#pending.delete(entry)
    if (waited && entry.injected) this.#injected--
    return waited
  }
}
