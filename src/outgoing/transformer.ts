import type { Transformer } from 'grammy'
import { isPromise, type MaybePromise } from '../core/check.js'
import type { Abortable } from './calls.js'
import type { OutgoingOptions } from './options.js'
import type { Outgoing, OutgoingHealth } from './outgoing.js'
import type { Sender } from './sender.js'

/** Polling, which handles its own waits and must not delay other calls. */
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

/** Returns a function that tells whether a method is sent unchanged. */
export function ignoring({ ignore = [] }: OutgoingOptions): (method: string) => boolean {
  const ignored = new Set([POLL, ...ignore].map((method) => method.toLowerCase()))
  return (method) => ignored.has(method.toLowerCase())
}

/**
 * Makes the transformer of a sender. Calls made while the sender is loading wait for it, in order. If loading fails, which the
 * loader reports, calls are sent unchanged.
 */
export function transformer(
  sending: MaybePromise<Sender | undefined>,
  isIgnored: (method: string) => boolean,
): Outgoing {
  let sender: Sender | undefined
  let awaited: Promise<Sender | undefined> | undefined
  // All later calls go through this promise, too. Otherwise they could overtake calls that waited for the sender.
  if (isPromise(sending)) {
    awaited = sending.then((made) => {
      sender = made
      return made
    })
  } else sender = sending
  const transform: Transformer = (prev, method, payload, signal) => {
    const call = (): ReturnType<typeof prev<typeof method>> => prev(method, payload, signal)
    if (isIgnored(method)) return call()
    // Read now, because `held` is only valid synchronously.
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
