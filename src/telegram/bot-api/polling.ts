import type { Update } from 'grammy/types'
import { Listeners } from '../world/collections/listeners.js'
import { Refusal } from '../world/refusal.js'
import type { UpdateQueue } from '../world/updates.js'

/** Telegram's longest long poll (LONG_POLL_MAX_TIMEOUT in tdlib/telegram-bot-api), in seconds. */
const LONGEST_POLL = 50

interface Poll {
  readonly offset: number
  readonly limit: number
  /** In seconds of real time. */
  readonly timeout: number
  /** Aborted when the bot closes the connection. */
  readonly signal: AbortSignal
}

/** The long polls of one bot, of which at most one waits at a time. */
export class Polling {
  #abortWaiting: ((reason: Refusal) => void) | undefined
  /** Told of each getUpdates call. */
  readonly polled = new Listeners<[]>()
  #count = 0

  constructor(private readonly queue: UpdateQueue) {}

  /** Number of getUpdates calls so far. */
  get count(): number {
    return this.#count
  }

  poll({ offset, limit, timeout, signal }: Poll): Promise<Update[]> {
    this.#count++
    this.polled.tell()
    this.interrupt(
      'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running',
    )
    if (offset > 0) this.queue.confirm(offset)
    else if (offset < 0) this.queue.forgetAllBut(-offset)
    if (this.queue.size > 0 || timeout <= 0) return Promise.resolve(this.queue.handOut(limit))
    return this.#wait(Math.min(timeout, LONGEST_POLL) * 1000, limit, signal)
  }

  /** Rejects the waiting poll, if any, with this error. */
  interrupt(words: string, code = 409): void {
    this.#abortWaiting?.(new Refusal(code, words))
  }

  #wait(milliseconds: number, limit: number, signal: AbortSignal): Promise<Update[]> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        clearTimeout(timer)
        unwatch()
        signal.removeEventListener('abort', finish)
        if (this.#abortWaiting === abort) this.#abortWaiting = undefined
        act()
      }
      // After the client closed the connection, nothing is handed out, so that no update is lost.
      const finish = () => settle(() => resolve(signal.aborted ? [] : this.queue.handOut(limit)))
      const abort = (reason: Refusal) => settle(() => reject(reason))
      const timer = setTimeout(finish, milliseconds)
      const unwatch = this.queue.changed.add(() => {
        if (this.queue.size > 0) finish()
      })
      signal.addEventListener('abort', finish)
      this.#abortWaiting = abort
    })
  }
}
