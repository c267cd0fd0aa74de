import type { ITelegramStorageProvider, tl } from '@mtcute/core'
import { quietTimers, type Timers } from '../../../core/clock.js'
import { getOrInsert } from '../../../core/maps.js'

/** How an update is numbered within its box; stored in a key as its remainder modulo four. */
const MESSAGE = 0
const PTS = 1
const QTS = 2

/**
 * Returns a key that identifies an update within its box, however it arrives: new messages by id, because a difference lists them
 * without `pts`; other updates by their number. Undefined for callback queries and the like, which arrive only once.
 */
export function keyOf(update: tl.TypeUpdate): number | undefined {
  if (update._ === 'updateNewMessage' || update._ === 'updateNewChannelMessage')
    return update.message.id * 4 + MESSAGE
  if ('qts' in update) return update.qts > 0 ? update.qts * 4 + QTS : undefined
  return 'pts' in update && update.pts > 0 ? update.pts * 4 + PTS : undefined
}

/** Keys that an earlier process left for a box. */
interface Carried {
  /** Keys that have not arrived again yet. */
  readonly keys: Set<number>
  /** The greatest key that has arrived again, for each kind of numbering. */
  readonly passed: number[]
}

/**
 * Updates that were handled beyond the stored position of their box, because an earlier update is still running. After a crash
 * the next process resumes from that position and must skip these. Their keys are stored beside the position, and deleted once it
 * has passed them.
 */
export class Handled {
  /** Boxes that were looked up; grows with the number of chats. */
  readonly #looked = new Set<number>()
  readonly #looking = new Map<number, Promise<void>>()
  readonly #carried = new Map<number, Carried>()
  /** Boxes with stored keys. */
  readonly #written = new Set<number>()

  constructor(
    private readonly kv: ITelegramStorageProvider['kv'],
    private readonly failed: (error: unknown) => void,
    private readonly timers: Timers = quietTimers,
  ) {}

  /** Whether an earlier process has handled the update. Asynchronous only for the first lookup of a box. */
  before(box: number, key: number): boolean | Promise<boolean> {
    if (this.#looked.has(box)) return this.#was(box, key)
    return getOrInsert(this.#looking, box, () => this.#look(box)).then(() => this.#was(box, key))
  }

  /** Stores the keys handled beyond the stored position of a box. */
  async note(box: number, handled: Iterable<number>): Promise<void> {
    const left = this.#carried.get(box)?.keys ?? []
    const keys = [...left, ...handled].slice(-MOST_AHEAD)
    if (keys.length > 0) {
      // Set before writing, in case writing fails halfway.
      this.#written.add(box)
      await this.kv.set(nameOf(box), new Uint8Array(Float64Array.from(keys).buffer))
    } else if (this.#written.delete(box)) await this.kv.delete(nameOf(box))
  }

  /** Called when the position of a box was stored, with the keys still beyond it. */
  async passed(box: number, handled: Iterable<number>): Promise<void> {
    const carried = this.#carried.get(box)
    if (carried !== undefined) {
      // Keys below the greatest one that arrived again will not arrive any more.
      const { keys, passed } = carried
      for (const key of keys) if (key < (passed[key % 4] as number)) keys.delete(key)
      if (keys.size === 0) this.#carried.delete(box)
    }
    if (this.#written.has(box)) await this.note(box, handled)
  }

  #was(box: number, key: number): boolean {
    const carried = this.#carried.get(box)
    if (carried === undefined) return false
    const sort = key % 4
    carried.passed[sort] = Math.max(carried.passed[sort] as number, key)
    return carried.keys.delete(key)
  }

  async #look(box: number): Promise<void> {
    try {
      const kept = await this.kv.get(nameOf(box))
      if (kept === null) return
      // Copied, because a Float64Array must be aligned to eight bytes.
      const keys = new Set(new Float64Array(Uint8Array.from(kept).buffer))
      this.#written.add(box)
      this.#carried.set(box, { keys, passed: [0, 0, 0] })
    } catch (error) {
      // Better to handle an update twice than never.
      this.failed(error)
    } finally {
      // Delayed until everything that waits for the lookup has continued, so that later updates do not overtake it.
      this.timers.after(0, () => {
        this.#looked.add(box)
        this.#looking.delete(box)
      })
    }
  }
}

const nameOf = (box: number): string => `handled_ahead:${box}`

/** Maximum number of keys per box; beyond it the earliest are dropped, and their updates would be delivered again. */
export const MOST_AHEAD = 4096
