import type { tl } from '@mtcute/core'
import { quietTimers, type Timers } from '../../../core/clock.js'
import type { Ms } from '../../../core/duration.js'
import { setNewest } from '../../../core/maps.js'
import { chatIdOfChannel } from '../../protocol/chat-ids.js'
import type { Caller } from '../calls/caller.js'
import { reasonOf } from '../calls/refusal.js'
import { NOT_OURS } from './gap-retries.js'
import { COMMON } from './progress.js'
import { type Described, peersOf } from './translation/people.js'

/** How long an update waits for the message that it replies to. */
const PATIENCE: Ms = 3000
/** "Up to 100 messages at once" (https://core.telegram.org/method/channels.getMessages). */
const PAGE = 100
/** Maximum number of calls at the same time; one per box, so that later replies gather meanwhile. */
const AT_ONCE = 8

/** Maximum number of messages kept, of all boxes; most replies are to recent messages. */
const MOST_KEPT = 1000

interface Wanted {
  /** Id of the message that replies. */
  readonly reply: number
  /** Id of the message that it replies to. */
  readonly id: number
  isOver: boolean
  readonly settle: (found?: Described) => void
}

/**
 * Finds the messages that others reply to or pin, of which an update gives only the id: among the latest, or at Telegram.
 * Telegram is asked by the reply, because a bot in privacy mode may see a message that somebody replies to, but may not fetch it
 * by its own id.
 */
export class Originals {
  /** By box; the box that has waited for longest comes first. */
  readonly #gathered = new Map<number, Wanted[]>()
  readonly #busy = new Set<number>()
  readonly #kept = new Map<string, Described>()
  /** Failures that last: boxes that Telegram refuses, and methods that fail otherwise. */
  readonly #reported = new Set<number | string>()

  constructor(
    private readonly failed: (error: unknown) => void,
    private readonly timers: Timers = quietTimers,
  ) {}

  /** Keeps a message that has just come, or was edited. */
  saw(box: number, original: Described): void {
    setNewest(this.#kept, keyOf(box, original.message.id), original, MOST_KEPT)
  }

  /** Drops messages that were deleted. */
  forget(box: number, ids: readonly number[]): void {
    for (const id of ids) this.#kept.delete(keyOf(box, id))
  }

  /** Drops all messages of a box. */
  forgetAll(box: number): void {
    for (const key of this.#kept.keys()) if (key.startsWith(keyOf(box, ''))) this.#kept.delete(key)
  }

  /** Returns a message that came recently. */
  known(box: number, id: number): Described | undefined {
    return this.#kept.get(keyOf(box, id))
  }

  /** Resolves with message `id`, to which message `reply` replies; undefined if it is gone, or does not come in time. */
  of(caller: Caller, box: number, reply: number, id: number): Promise<Described | undefined> {
    return new Promise((resolve) => {
      const callOff = this.timers.after(PATIENCE, () => wanted.settle())
      const wanted: Wanted = {
        reply,
        id,
        isOver: false,
        settle: (found) => {
          wanted.isOver = true
          callOff()
          resolve(found)
        },
      }
      const gathered = this.#gathered.get(box)
      if (gathered === undefined) this.#gathered.set(box, [wanted])
      else gathered.push(wanted)
      this.#next(caller)
    })
  }

  #next(caller: Caller): void {
    for (const [box, gathered] of this.#gathered) {
      if (this.#busy.size >= AT_ONCE) return
      if (this.#busy.has(box)) continue
      const waiting = gathered.filter(({ isOver }) => !isOver)
      const rest = waiting.splice(PAGE)
      this.#gathered.delete(box)
      if (rest.length > 0) this.#gathered.set(box, rest)
      if (waiting.length === 0) continue
      this.#busy.add(box)
      void this.#fetch(caller, box, waiting).then(() => {
        this.#busy.delete(box)
        this.#next(caller)
      })
    }
  }

  async #fetch(caller: Caller, box: number, waiting: readonly Wanted[]): Promise<void> {
    const ending = new AbortController()
    const callOff = this.timers.after(PATIENCE, () => ending.abort())
    try {
      const found = await ask(caller, box, waiting, ending.signal)
      this.#reported.delete(box)
      this.#reported.delete(methodOf(box))
      if (found._ === 'messages.messagesNotModified') return
      const { messages, users, chats } = found
      const byId = new Map(messages.map((message) => [message.id, message]))
      const peers = peersOf(users, chats)
      for (const { id, settle } of waiting) {
        const message = byId.get(id)
        if (message !== undefined) settle({ message, peers })
      }
    } catch (error) {
      // The update comes all the same; a failure that lasts is reported once. A refusal concerns the box only.
      const reason = reasonOf(error)
      const what = reason === undefined ? methodOf(box) : box
      if (ending.signal.aborted || this.#reported.has(what) || NOT_OURS.test(reason ?? '')) return
      this.#reported.add(what)
      this.failed(error)
    } finally {
      callOff()
      for (const { settle } of waiting) settle()
    }
  }
}

async function ask(
  caller: Caller,
  box: number,
  waiting: readonly Wanted[],
  signal: AbortSignal,
): Promise<tl.messages.TypeMessages> {
  const id = waiting.map(({ reply }): tl.TypeInputMessage => ({ _: 'inputMessageReplyTo', id: reply }))
  if (box === COMMON) return caller.call({ _: 'messages.getMessages', id }, { signal })
  const channel = await caller.channel(chatIdOfChannel(box))
  return caller.call({ _: 'channels.getMessages', channel, id }, { signal })
}

/** Private chats and basic groups are asked about by a method of their own, with waits of its own. */
function methodOf(box: number): string {
  return box === COMMON ? 'messages.getMessages' : 'channels.getMessages'
}

function keyOf(box: number, id: number | ''): string {
  return `${box} ${id}`
}
