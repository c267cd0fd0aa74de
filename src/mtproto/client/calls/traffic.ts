import type { ITelegramConnection } from '@mtcute/core'
import type { Ms } from '../../../core/duration.js'

/**
 * What a client has done so far.
 *
 * @example
 * ```ts
 * import type { MtprotoCounts } from 'grammy-sentinel/mtproto'
 *
 * const line = ({ connections, calls, bytesIn }: MtprotoCounts) => `${calls} calls, ${bytesIn} bytes, ${connections} connections`
 * ```
 */
export interface MtprotoCounts {
  readonly calls: number
  /** Calls that were answered with an error, by its name without numbers, such as `FLOOD_WAIT`. */
  readonly errors: Readonly<Record<string, number>>
  /** Connections made: all but the first are reconnects. */
  readonly connections: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** Waits for FLOOD_WAIT, and how long they took together. */
  readonly waits: number
  readonly waitedMs: Ms
  /** Times that Telegram said it was too long ago to tell: messages were then looked up by their ids. */
  readonly tooLong: number
  /** Times that updates were missed, and fetched; and how long that took together, from when it was noticed. */
  readonly gaps: number
  readonly recoveryMs: Ms
  /** Bridged updates that are being handled, or wait for it. */
  readonly handling: number
  /** Usernames that Telegram was asked for within a day, and how many more `namesPerDay` allows. */
  readonly names: { readonly asked: number; readonly left: number }
  /** Calls that wait at this moment, for what Telegram demands. */
  readonly waiting: number
}

/**
 * Watches a client at work, for metrics and spans. It must throw nothing.
 *
 * @example
 * ```ts
 * import type { MtprotoWatcher } from 'grammy-sentinel/mtproto'
 *
 * const gaps: MtprotoWatcher = { recovered: ({ of, ms }) => console.warn(`missed updates of the ${of}, for ${ms} ms`) }
 * ```
 */
export interface MtprotoWatcher {
  /** A call goes out. The returned function is told when it was answered, with the name of the error, if it was one. */
  call?(method: string): ((error: string | undefined) => void) | undefined
  /** A call has to wait, as Telegram demands. */
  wait?(wait: { readonly method: string; readonly waitMs: Ms }): void
  /** Updates were missed, and have been fetched. */
  recovered?(gap: { readonly of: 'account' | 'channel'; readonly ms: Ms }): void
}

/** Names of errors are Telegram's, and not many; of what is more, none is told apart. */
const MOST_NAMES = 200

/** Counts as it goes. */
export class Traffic {
  calls = 0
  connections = 0
  bytesIn = 0
  bytesOut = 0
  tooLong = 0
  readonly errors = new Map<string, number>()
  /** Metrics and spans. */
  readonly watches = new Set<MtprotoWatcher>()

  /** A call goes out; the returned function is told of its answer. */
  begin(method: string): (error: string | undefined) => void {
    this.calls++
    const ends = [...this.watches].map((watch) => watch.call?.(method))
    return (error) => {
      const name = this.#answered(error)
      for (const end of ends) end?.(name)
    }
  }

  #answered(error: string | undefined): string | undefined {
    // Numbers are of waits, data centres and methods.
    const name = error?.replace(/_?\d+/g, '').replace(/:.*$/, '')
    if (name !== undefined) {
      const known = this.errors.has(name) || this.errors.size < MOST_NAMES ? name : 'OTHER'
      this.errors.set(known, (this.errors.get(known) ?? 0) + 1)
    }
    return name
  }
}

/** The same connection, whose bytes are counted: mtcute has no hook for them. */
export function metered(connection: ITelegramConnection, traffic: Traffic): ITelegramConnection {
  traffic.connections++
  const { read, write } = connection
  connection.read = async (into) => {
    const length = await read.call(connection, into)
    traffic.bytesIn += length
    return length
  }
  connection.write = (bytes) => {
    traffic.bytesOut += bytes.byteLength
    return write.call(connection, bytes)
  }
  return connection
}
