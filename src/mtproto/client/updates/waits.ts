import type { Update } from 'grammy/types'

/** Ends when an update, and every earlier one of its chat, has everything that it waited for. */
interface Wait {
  isOver: boolean
  readonly over: Promise<void>
}

/**
 * Keeps the updates of each chat in order while some of them wait; other chats do not wait for them, unless 500 updates (the most
 * that are handled at once) wait at the same time.
 */
export class Waits {
  readonly #last = new Map<number, Wait>()

  /** Returns what an update has to wait for; undefined if nothing. `what` must not reject. */
  of(update: Update, what: Promise<unknown> | undefined): Wait | undefined {
    if (what === undefined && this.#last.size === 0) return undefined
    const chat = chatOf(update)
    const before = this.#last.get(chat)
    if (before === undefined && what === undefined) return undefined
    const wait: Wait = {
      isOver: false,
      // Ends later than `before`, so that handlers start in order.
      over: Promise.all([before?.over, what]).then(() => {
        wait.isOver = true
        if (this.#last.get(chat) === wait) this.#last.delete(chat)
      }),
    }
    this.#last.set(chat, wait)
    return wait
  }
}

/** Id of the chat that an update is from; 0 for updates without a chat, such as inline queries. */
function chatOf({ update_id: _, ...told }: Update): number {
  const [payload] = Object.values(told) as {
    readonly chat?: { readonly id: number }
    readonly message?: { readonly chat?: { readonly id: number } }
  }[]
  return (payload?.chat ?? payload?.message?.chat)?.id ?? 0
}
