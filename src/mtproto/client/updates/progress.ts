import type { ITelegramStorageProvider } from '@mtcute/core'
import { quietTimers, type Timers } from '../../../core/clock.js'
import type { Ms } from '../../../core/duration.js'
import { getOrInsert, setNewest } from '../../../core/maps.js'
import type { Handled } from './handled.js'
import { MOST_AHEAD } from './handled.js'

/** Stores a position. */
type Write = () => Promise<unknown>

/** Writes that may happen once all updates begun up to `after` are handled. */
interface Checkpoint {
  /** Number of the last update that had begun. */
  readonly after: number
  readonly writes: Map<string, Write>
}

/** An update sequence with a position of its own: the account's, or a channel's. */
interface Box {
  begun: number
  /** Numbers of updates being handled, in the order they began. */
  readonly open: Set<number>
  /** Keys of handled updates that no stored position covers yet, by update number. */
  readonly ahead: Map<number, number>
  /** Cancels the planned write of these keys. */
  callOff: (() => void) | undefined
  readonly waiting: Checkpoint[]
  /** Chains the writes of the box, so that they keep their order. */
  writing: Promise<void>
  writes: number
}

const newBox = (): Box => ({
  begun: 0,
  open: new Set(),
  ahead: new Map(),
  callOff: undefined,
  waiting: [],
  writing: Promise.resolve(),
  writes: 0,
})

/** Delay before storing keys, in which a new position usually makes that unnecessary; plus 1 ms for every NOTED_PER_MS keys. */
const NOTED_AFTER: Ms = 20
const NOTED_PER_MS = 10

/** Maximum number of checkpoints per box, for when a handler never finishes; beyond it the two oldest are merged. */
const MOST_WAITING = 1000

function merge(waiting: Checkpoint[]): void {
  const [first, second] = waiting.splice(0, 2) as [Checkpoint, Checkpoint]
  waiting.unshift({ after: second.after, writes: new Map([...first.writes, ...second.writes]) })
}

/** The account's own box; channels use their ids. */
export const COMMON = 0

/**
 * Delays storing positions until all earlier updates are handled, so that after a crash unhandled updates are delivered again.
 * Each box waits only for its own updates: a slow chat does not hold up the others.
 */
export class Progress {
  readonly #boxes = new Map<number, Box>()
  #frozen = false
  #left = false
  #stopped = false

  constructor(
    private readonly failed: (error: unknown) => void,
    private readonly handled?: Pick<Handled, 'note' | 'passed'>,
    private readonly timers: Timers = quietTimers,
    /** Whether the session is still ours; the progress of another process must not be overwritten. */
    private readonly isOurs: () => boolean = () => true,
  ) {}

  /**
   * Begins handling an update; the returned function ends it. With a key, the handled update is remembered until a stored
   * position covers it.
   */
  begin(name: number, key?: number): () => void {
    const box = this.#box(name)
    const number = ++box.begun
    box.open.add(number)
    return () => {
      if (this.#left || !box.open.delete(number)) return
      if (key !== undefined && this.handled !== undefined) setNewest(box.ahead, number, key, MOST_AHEAD)
      this.#release(name, box)
      this.#noteSoon(name, box)
    }
  }

  /**
   * Notes that a position was reached. It is stored once earlier updates are handled; resolves at once if it has to wait for
   * that. The latest write of a kind replaces earlier ones.
   */
  async reached(name: number, kind: string, write: Write): Promise<void> {
    if (this.#frozen) return
    const box = this.#box(name)
    if (box.open.size === 0 && box.waiting.length === 0) {
      await this.#write(name, box, [write], box.begun)
      return
    }
    const last = box.waiting.at(-1)
    if (last?.after === box.begun) last.writes.set(kind, write)
    else box.waiting.push({ after: box.begun, writes: new Map([[kind, write]]) })
    if (box.waiting.length > MOST_WAITING) merge(box.waiting)
  }

  /** Ignores positions reached from now on. */
  freeze(): void {
    this.#frozen = true
  }

  /** Treats updates still being handled as not handled, even if they finish: they are delivered again. */
  leave(): void {
    this.#left = true
  }

  /** Stores nothing any more, because another process uses the session. */
  stop(): void {
    this.#frozen = true
    this.#left = true
    this.#stopped = true
  }

  /** Number of updates being handled. */
  get open(): number {
    let open = 0
    for (const box of this.#boxes.values()) open += box.open.size
    return open
  }

  /** Waits for pending writes. */
  async settled(): Promise<void> {
    for (const [name, box] of this.#boxes) if (box.callOff !== undefined) this.#note(name, box)
    await Promise.all([...this.#boxes.values()].map(({ writing }) => writing))
  }

  #box(name: number): Box {
    return getOrInsert(this.#boxes, name, newBox)
  }

  #release(name: number, box: Box): void {
    const [oldest = Number.POSITIVE_INFINITY] = box.open
    const due = new Map<string, Write>()
    let upTo = 0
    while (box.waiting[0] !== undefined && box.waiting[0].after < oldest) {
      for (const [kind, write] of box.waiting[0].writes) due.set(kind, write)
      upTo = box.waiting[0].after
      box.waiting.shift()
    }
    if (due.size > 0) void this.#write(name, box, [...due.values()], upTo)
    else this.#forget(name, box)
  }

  /** Stores a position, which covers the updates that began up to number `upTo`. */
  #write(name: number, box: Box, writes: readonly Write[], upTo: number): Promise<void> {
    return this.#inTurn(name, box, async () => {
      for (const write of writes) await write()
      for (const number of box.ahead.keys()) if (number <= upTo) box.ahead.delete(number)
      await this.handled?.passed(name, box.ahead.values())
    })
  }

  #noteSoon(name: number, box: Box): void {
    if (box.ahead.size === 0 || box.callOff !== undefined) return
    const wait = NOTED_AFTER + box.ahead.size / NOTED_PER_MS
    box.callOff = this.timers.after(wait, () => this.#note(name, box))
  }

  #note(name: number, box: Box): void {
    box.callOff?.()
    box.callOff = undefined
    if (box.ahead.size > 0)
      void this.#inTurn(name, box, async () => this.handled?.note(name, box.ahead.values()))
    else this.#forget(name, box)
  }

  #inTurn(name: number, box: Box, work: () => Promise<unknown>): Promise<void> {
    box.writes++
    box.writing = box.writing
      .then(() => (this.#stopped || !this.isOurs() ? undefined : work()))
      .then(() => undefined)
      // A position that was not stored only means that updates are handled once more after a restart.
      .catch((error: unknown) => this.failed(error))
      .finally(() => {
        box.writes--
        this.#forget(name, box)
      })
    return box.writing
  }

  /** Drops an idle box, so that memory grows only with the number of busy channels. */
  #forget(name: number, box: Box): void {
    const isIdle = box.open.size === 0 && box.waiting.length === 0 && box.writes === 0
    if (isIdle && box.ahead.size === 0 && box.callOff === undefined) this.#boxes.delete(name)
  }
}

const CHANNEL = 'updates_channel:'
const STATE = /^updates_(?:pts|qts|date|seq)$/

/** The box that one of mtcute's storage keys belongs to; undefined for other keys. */
function boxOf(key: string): number | undefined {
  if (key.startsWith(CHANNEL)) return Number(key.slice(CHANNEL.length))
  return STATE.test(key) ? COMMON : undefined
}

/**
 * Wraps the storage so that mtcute's positions are stored only once earlier updates are handled.
 *
 * @param along Returns a write to be made together with a position of the box.
 * @param room Waited for after each write: mtcute stores its position before it continues, so this limits the number of
 * unhandled updates.
 */
export function inStep(
  storage: ITelegramStorageProvider,
  progress: Progress,
  along: (box: number) => Write | undefined,
  room: () => Promise<void> | undefined,
): ITelegramStorageProvider {
  const { kv } = storage
  return {
    driver: storage.driver,
    authKeys: storage.authKeys,
    peers: storage.peers,
    refMessages: storage.refMessages,
    kv: {
      get: (key) => kv.get(key),
      delete: (key) => kv.delete(key),
      deleteAll: () => kv.deleteAll(),
      set: async (key, value) => {
        const box = boxOf(key)
        if (box === undefined) await kv.set(key, value)
        else {
          const beside = along(box)
          await progress.reached(box, key, async () => {
            await kv.set(key, value)
            await beside?.()
          })
        }
        await room()
      },
    },
  }
}
