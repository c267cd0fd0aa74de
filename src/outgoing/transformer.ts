import type { Transformer } from 'grammy'
import { isPromise, type MaybePromise } from '../core/check.js'
import type { Abortable } from './calls.js'
import type { OutgoingOptions } from './options.js'
import type { Outgoing, OutgoingHealth } from './outgoing.js'
import type { Sender } from './sender.js'

/** The one a poll is: whoever polls waits by itself, and nothing else must wait for it. */
const POLL = 'getupdates'

const NOTHING: OutgoingHealth = {
  calls: 0,
  limited: 0,
  retried: 0,
  gaveUp: 0,
  overloaded: 0,
  migrated: 0,
  waitedMs: 0,
  waiting: 0,
  paused: 0,
  heard: 0,
}

/** Tells which methods are left alone. */
export function ignoring({ ignore = [] }: OutgoingOptions): (method: string) => boolean {
  const ignored = new Set([POLL, ...ignore].map((method) => method.toLowerCase()))
  return (method) => ignored.has(method.toLowerCase())
}

/**
 * The transformer that a sender is behind. Calls that are made before the sender is there wait for it, in their order; if it never
 * comes, which whoever makes it tells, they are made as if there were none.
 */
export function transformer(
  sending: MaybePromise<Sender | undefined>,
  isIgnored: (method: string) => boolean,
): Outgoing {
  let sender: Sender | undefined
  let awaited: Promise<Sender | undefined> | undefined
  // Calls go on through this promise for good. Otherwise new calls could overtake those that waited for the sender.
  if (isPromise(sending)) {
    awaited = sending.then((made) => {
      sender = made
      return made
    })
  } else sender = sending
  const transform: Transformer = (prev, method, payload, signal) => {
    const call = (): ReturnType<typeof prev<typeof method>> => prev(method, payload, signal)
    if (isIgnored(method)) return call()
    // Read here: after the promise it is too late to know.
    const held = sender?.held
    const send = (by: Sender | undefined): ReturnType<typeof call> =>
      by === undefined ? call() : by.send(method, payload, signal as Abortable | undefined, call, held)
    return awaited === undefined ? send(sender) : awaited.then(send)
  }
  return Object.assign(transform, {
    health: (): OutgoingHealth =>
      sender === undefined
        ? NOTHING
        : {
            ...sender.counts,
            waiting: sender.waiting,
            paused: sender.paused,
            heard: sender.heard,
          },
    close: async () => {
      await (awaited === undefined ? sender : await awaited)?.close()
    },
  })
}
