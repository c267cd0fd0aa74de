import type { ITelegramStorageProvider, tl } from '@mtcute/core'
import { quietTimers, type Timers } from '../../../core/clock.js'
import { type Ahead, MOST_AHEAD } from './progress.js'

/** What numbers an update in its box. What is left of a key after division by four tells which. */
const MESSAGE = 0
const PTS = 1
const QTS = 2

/**
 * What an update is called in its box, whoever asks for it and whenever: new messages by their ids, for a difference tells them without
 * a `pts`, all others by what numbers them. Undefined for taps and the like, which come once.
 */
export function keyOf(update: tl.TypeUpdate): number | undefined {
  if (update._ === 'updateNewMessage' || update._ === 'updateNewChannelMessage')
    return update.message.id * 4 + MESSAGE
  if ('qts' in update) return update.qts * 4 + QTS
  return 'pts' in update && update.pts > 0 ? update.pts * 4 + PTS : undefined
}

/** What an earlier process left of a box. */
interface Carried {
  /** Not yet told of again. */
  readonly keys: Set<number>
  /** The greatest key of each sort that came. */
  readonly passed: number[]
}

/**
 * Updates that were handled ahead of what is written of their box, since one before them still runs: whoever dies then begins at that one,
 * and is to leave these out. Their keys are kept beside the state, and forgotten once it has passed them.
 */
export class Handled implements Ahead {
  /** Boxes that were looked up: as many as there are chats. */
  readonly #looked = new Set<number>()
  readonly #looking = new Map<number, Promise<void>>()
  readonly #carried = new Map<number, Carried>()
  /** Boxes of which something is written. */
  readonly #written = new Set<number>()

  constructor(
    private readonly kv: ITelegramStorageProvider['kv'],
    private readonly failed: (error: unknown) => void,
    private readonly timers: Timers = quietTimers,
  ) {}

  /** Whether an earlier process has handled it. At once, but for the first of a box. */
  before(box: number, key: number): boolean | Promise<boolean> {
    if (this.#looked.has(box)) return this.#was(box, key)
    let looking = this.#looking.get(box)
    if (looking === undefined) {
      looking = this.#look(box)
      this.#looking.set(box, looking)
    }
    return looking.then(() => this.#was(box, key))
  }

  /** Writes down which are handled ahead of the state of a box by now. */
  async note(box: number, handled: Iterable<number>): Promise<void> {
    const left = this.#carried.get(box)?.keys ?? []
    const keys = [...left, ...handled].slice(-MOST_AHEAD)
    if (keys.length > 0) {
      // First, for whoever is killed while it is written.
      this.#written.add(box)
      await this.kv.set(nameOf(box), new Uint8Array(Float64Array.from(keys).buffer))
    } else if (this.#written.delete(box)) await this.kv.delete(nameOf(box))
  }

  /** The state of a box was written, and these are still ahead of it. */
  async passed(box: number, handled: Iterable<number>): Promise<void> {
    const carried = this.#carried.get(box)
    if (carried !== undefined) {
      // What was before, and did not come again, never will.
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
      // A copy, for a view must lie at a multiple of eight.
      const keys = new Set(new Float64Array(Uint8Array.from(kept).buffer))
      this.#written.add(box)
      this.#carried.set(box, { keys, passed: [0, 0, 0] })
    } catch (error) {
      // Twice rather than never.
      this.failed(error)
    } finally {
      // Not before all who wait for this went on: nobody is to overtake them.
      this.timers.after(0, () => {
        this.#looked.add(box)
        this.#looking.delete(box)
      })
    }
  }
}

const nameOf = (box: number): string => `handled_ahead:${box}`
