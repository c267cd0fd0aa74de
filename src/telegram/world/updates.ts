import type { Update } from 'grammy/types'
import type { Ms } from '../../core/duration.js'
import { Line } from './line.js'

export type UpdateKind = Exclude<keyof Update, 'update_id'>

/** Telegram sends these only to bots that name them in `allowed_updates`. */
const ONLY_WHEN_NAMED: ReadonlySet<string> = new Set([
  'chat_member',
  'message_reaction',
  'message_reaction_count',
])
/** Telegram keeps an update for a day. */
const KEPT_FOR: Ms = 86_400_000
/** A bot that never fetches must not eat the machine: the oldest go first. */
const KEPT_AT_MOST = 100_000
/** How far beyond the next id an offset may lie. */
const FARTHEST_AHEAD = 10
const FIRST_UPDATE_ID = 100_000_001

export interface PendingUpdate {
  readonly update: Update
  readonly at: Ms
  /** Injected by the test, whatever offset the bot has reached; kept until it was handed out once. */
  readonly injected: boolean
  handedOut: boolean
}

/** What waits for one bot. Ids run sequentially; an update leaves when the bot confirms it. */
export class UpdateQueue {
  readonly #pending = new Line<PendingUpdate>()
  /** How many of them a test has put in. */
  #injected = 0
  #nextId = FIRST_UPDATE_ID
  #allowed: ReadonlySet<UpdateKind> | undefined
  readonly #listeners = new Set<() => void>()
  readonly #newsListeners = new Set<(update: Update) => void>()

  constructor(private readonly now: () => Ms) {}

  /** An empty list means Telegram's default; `undefined` leaves the earlier choice. */
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

  /** Puts an update in as it is, past `allowed_updates`. Without an id it gets the next one. */
  inject(update: Omit<Update, 'update_id'> & { update_id?: number }): Update {
    const whole: Update = { ...update, update_id: update.update_id ?? this.#nextId }
    this.#add(whole, true)
    return whole
  }

  #add(update: Update, injected: boolean): void {
    const { update_id } = update
    // Beyond whole numbers there is no next one, and what a test sends may be anything.
    if (Number.isSafeInteger(update_id + 1) && update_id >= this.#nextId) this.#nextId = update_id + 1
    if (this.#pending.size >= KEPT_AT_MOST) this.#dropOldest(1)
    this.#pending.add({ update, at: this.now(), injected, handedOut: false })
    if (injected) this.#injected++
    for (const listener of this.#newsListeners) listener(update)
    this.#changed()
  }

  /** Everything below `offset` is confirmed and forgotten; by one far in the future nothing is (TQueue::get in td/tddb/td/db/TQueue.cpp). */
  confirm(offset: number): void {
    if (offset > this.#nextId + FARTHEST_AHEAD) return
    const before = this.#pending.size
    for (const entry of this.#pending) {
      const { update_id } = entry.update
      // Ids rise in the order of arrival, but for those that a test has put in.
      if (update_id >= offset && this.#injected === 0) break
      if (update_id < offset && (entry.handedOut || !entry.injected)) this.#forget(entry)
    }
    if (this.#pending.size !== before) this.#changed()
  }

  /** A negative offset of getUpdates: only the last `count` stay. */
  forgetAllBut(count: number): void {
    if (this.#pending.size <= count) return
    this.#dropOldest(this.#pending.size - count)
    this.#changed()
  }

  remove(entry: PendingUpdate): void {
    if (this.#forget(entry)) this.#changed()
  }

  /** By id, also where an older one was injected later: bots confirm with the last id they got. */
  handOut(limit: number): Update[] {
    const updates: Update[] = []
    for (const entry of this.pending()) {
      if (updates.length === limit) break
      entry.handedOut = true
      updates.push(entry.update)
    }
    return updates.sort((a, b) => a.update_id - b.update_id)
  }

  /** What has not lapsed, in the order of arrival. */
  pending(): Line<PendingUpdate> {
    const oldest = this.now() - KEPT_FOR
    for (let { first } = this.#pending; first !== undefined && first.at < oldest; first = this.#pending.first)
      this.#forget(first)
    return this.#pending
  }

  get size(): number {
    return this.pending().size
  }

  /** Calls back whenever something came or went, until the returned function is called. */
  watch(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Calls back with each update from when it waits, until the returned function is called. */
  watchNew(listener: (update: Update) => void): () => void {
    this.#newsListeners.add(listener)
    return () => this.#newsListeners.delete(listener)
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

  #changed(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}
