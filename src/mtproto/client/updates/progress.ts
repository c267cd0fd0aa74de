import type { ITelegramStorageProvider } from '@mtcute/core'
import { quietTimers, type Timers } from '../../../core/clock.js'
import type { Ms } from '../../../core/duration.js'

/** Writes what says how far we are. */
type Write = () => Promise<unknown>

/** What may be written once all that had begun by then is done. */
interface Checkpoint {
  /** The last that had begun. */
  readonly after: number
  readonly writes: Map<string, Write>
}

/** A sequence of updates with a state of its own: the account's, or a channel's. */
interface Box {
  begun: number
  /** Updates that are being handled, in the order they began. */
  readonly open: Set<number>
  /** What was handled and is not behind a state that was written: by when it began, its key. */
  readonly ahead: Map<number, number>
  /** Calls off the next note of these. */
  callOff: (() => void) | undefined
  readonly waiting: Checkpoint[]
  /** Writes of a box do not overtake each other. */
  writing: Promise<void>
  writes: number
}

/** Keeps what was handled ahead of a state. */
export interface Ahead {
  note(box: number, handled: Iterable<number>): Promise<void>
  passed(box: number, handled: Iterable<number>): Promise<void>
}

/** By then a state is usually written that is further, and nothing has to be noted; and one ms more for so many that are to be noted. */
const NOTED_AFTER: Ms = 20
const NOTED_PER_MS = 10
/** Updates of one box that are remembered so; of more, the earliest would come again. */
export const MOST_AHEAD = 4096

/** What waits in a box where somebody never comes to an end: of more, two are made one, and it goes on in longer steps. */
const MOST_WAITING = 1000

function remember(ahead: Map<number, number>, number: number, key: number): void {
  ahead.set(number, key)
  if (ahead.size <= MOST_AHEAD) return
  for (const [earliest] of ahead) {
    ahead.delete(earliest)
    return
  }
}

function merge(waiting: Checkpoint[]): void {
  const [first, second] = waiting.splice(0, 2) as [Checkpoint, Checkpoint]
  waiting.unshift({ after: second.after, writes: new Map([...first.writes, ...second.writes]) })
}

/** The account's own sequence; channels have their numbers. */
export const COMMON = 0

/**
 * Holds back what says how far we are until what came before is handled: whoever dies in the middle begins with what was not. A box
 * waits for none but its own updates, so one slow chat does not hold up the others.
 */
export class Progress {
  readonly #boxes = new Map<number, Box>()
  #frozen = false
  #left = false
  #stopped = false

  constructor(
    private readonly failed: (error: unknown) => void,
    private readonly ahead?: Ahead,
    private readonly timers: Timers = quietTimers,
  ) {}

  /** An update of a box is being handled, until the returned function is called. With a key it is noted then, unless a state says as much. */
  begin(name: number, key?: number): () => void {
    const box = this.#box(name)
    const number = ++box.begun
    box.open.add(number)
    return () => {
      if (this.#left || !box.open.delete(number)) return
      if (key !== undefined && this.ahead !== undefined) remember(box.ahead, number, key)
      this.#release(name, box)
      this.#noteSoon(name, box)
    }
  }

  /** A state was reached; resolves when it is written, at once if it has to wait. The latest of a kind wins. */
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

  /** No more is reached than was so far. */
  freeze(): void {
    this.#frozen = true
  }

  /** What is still being handled counts as not handled, however it ends: it was cut off, and comes again. */
  leave(): void {
    this.#left = true
  }

  /** The storage is another's from now on: nothing more is written. */
  stop(): void {
    this.#frozen = true
    this.#left = true
    this.#stopped = true
  }

  /** How many updates are being handled. */
  get open(): number {
    let open = 0
    for (const box of this.#boxes.values()) open += box.open.size
    return open
  }

  /** Waits for writes that are under way. */
  async settled(): Promise<void> {
    for (const [name, box] of this.#boxes) if (box.callOff !== undefined) this.#note(name, box)
    await Promise.all([...this.#boxes.values()].map(({ writing }) => writing))
  }

  #box(name: number): Box {
    let box = this.#boxes.get(name)
    if (box === undefined) {
      box = {
        begun: 0,
        open: new Set(),
        ahead: new Map(),
        callOff: undefined,
        waiting: [],
        writing: Promise.resolve(),
        writes: 0,
      }
      this.#boxes.set(name, box)
    }
    return box
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

  /** Of what began up to a number the state tells. */
  #write(name: number, box: Box, writes: readonly Write[], upTo: number): Promise<void> {
    return this.#inTurn(name, box, async () => {
      for (const write of writes) await write()
      for (const number of box.ahead.keys()) if (number <= upTo) box.ahead.delete(number)
      await this.ahead?.passed(name, box.ahead.values())
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
      void this.#inTurn(name, box, async () => this.ahead?.note(name, box.ahead.values()))
    else this.#forget(name, box)
  }

  #inTurn(name: number, box: Box, work: () => Promise<unknown>): Promise<void> {
    box.writes++
    box.writing = box.writing
      .then(() => (this.#stopped ? undefined : work()))
      .then(() => undefined)
      // What is not written is handled once more, after a restart.
      .catch((error: unknown) => this.failed(error))
      .finally(() => {
        box.writes--
        this.#forget(name, box)
      })
    return box.writing
  }

  /** Boxes are as many as channels are busy. */
  #forget(name: number, box: Box): void {
    const isIdle = box.open.size === 0 && box.waiting.length === 0 && box.writes === 0
    if (isIdle && box.ahead.size === 0 && box.callOff === undefined) this.#boxes.delete(name)
  }
}

const CHANNEL = 'updates_channel:'
const STATE = /^updates_(?:pts|qts|date|seq)$/

/** How mtcute names what it keeps of a box; undefined for all else. */
export function boxOf(key: string): number | undefined {
  if (key.startsWith(CHANNEL)) return Number(key.slice(CHANNEL.length))
  return STATE.test(key) ? COMMON : undefined
}

/** What is written together with the state of a box. */
export type Along = (box: number) => Write | undefined

/** The same storage, which is told how far mtcute is when what came by then was handled. */
export function inStep(
  storage: ITelegramStorageProvider,
  progress: Progress,
  along: Along,
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
      set: (key, value) => {
        const box = boxOf(key)
        if (box === undefined) return kv.set(key, value)
        const beside = along(box)
        return progress.reached(box, key, async () => {
          await kv.set(key, value)
          await beside?.()
        })
      },
    },
  }
}
