import type { ITelegramConnection } from '@mtcute/core'
import type { Ms } from '../../../core/duration.js'

/**
 * Counters of a client, since its creation.
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
  /** Calls answered with an error, by error name without numbers, such as `FLOOD_WAIT`. */
  readonly errors: Readonly<Record<string, number>>
  /** Connections opened, including reconnects. */
  readonly connections: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** Number of waits because of FLOOD_WAIT, and their total length. */
  readonly waits: number
  readonly waitedMs: Ms
  /** How often a gap in updates was too long for Telegram to fill; messages were then fetched by their ids. */
  readonly tooLong: number
  /** How often updates were missed and then fetched, and the total time from noticing a gap to filling it. */
  readonly gaps: number
  readonly recoveryMs: Ms
  /** Bridged updates being handled or queued for it. */
  readonly handling: number
  /** Username lookups within a day, and how many are left of `namesPerDay`. */
  readonly names: { readonly asked: number; readonly left: number }
  /** Calls that are waiting now because of FLOOD_WAIT. */
  readonly waiting: number
}

/**
 * Callbacks that observe a client, for metrics and tracing. They must not throw.
 *
 * @example
 * ```ts
 * import type { MtprotoWatcher } from 'grammy-sentinel/mtproto'
 *
 * const gaps: MtprotoWatcher = { recovered: ({ of, ms }) => console.warn(`missed updates of the ${of}, for ${ms} ms`) }
 * ```
 */
export interface MtprotoWatcher {
  /** A call is being made. The returned function is called with its answer: the name of the error, or undefined. */
  call?(method: string): ((error: string | undefined) => void) | undefined
  /** A call must wait because of FLOOD_WAIT. */
  wait?(wait: { readonly method: string; readonly waitMs: Ms }): void
  /** Missed updates have been fetched. */
  recovered?(gap: { readonly of: 'account' | 'channel'; readonly ms: Ms }): void
}

/** Maximum number of error names counted separately; further names are counted as OTHER. */
const MOST_NAMES = 200

/** Counts calls, connections and bytes. */
export class Traffic {
  calls = 0
  connections = 0
  bytesIn = 0
  bytesOut = 0
  tooLong = 0
  readonly errors = new Map<string, number>()
  /** Observers for metrics and tracing. */
  readonly watches = new Set<MtprotoWatcher>()

  /** Counts a call being made; the returned function is called with its answer. */
  begin(method: string): (error: string | undefined) => void {
    this.calls++
    const ends = [...this.watches].map((watch) => watch.call?.(method))
    return (error) => {
      const name = this.#answered(error)
      for (const end of ends) end?.(name)
    }
  }

  #answered(error: string | undefined): string | undefined {
    // Numbers in names are seconds, data centres and the like.
    const name = error?.replace(/_?\d+/g, '').replace(/:.*$/, '')
    if (name !== undefined) {
      const known = this.errors.has(name) || this.errors.size < MOST_NAMES ? name : 'OTHER'
      this.errors.set(known, (this.errors.get(known) ?? 0) + 1)
    }
    return name
  }
}

/** Counts the connection's bytes by wrapping its methods, because mtcute has no hook for that. */
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
