/**
 * Observes an MTProto client, for metrics and spans.
 *
 * @example
 * ```ts
 * import type { MtprotoWatch } from 'grammy-sentinel/metrics'
 *
 * const slow: MtprotoWatch = {
 *   call(method) {
 *     const from = Date.now()
 *     return (error) => console.log(method, error ?? 'ok', Date.now() - from)
 *   },
 * }
 * ```
 */
export interface MtprotoWatch {
  /** Called when a call is sent. The returned function is called when it is answered, with the name of the error if it failed. */
  call?(method: string): ((error: string | undefined) => void) | undefined
  /** Called when a call has to wait because Telegram demands it. */
  wait?(wait: { readonly method: string; readonly waitMs: number }): void
  /** Called when missed updates were fetched. */
  recovered?(gap: { readonly of: 'account' | 'channel'; readonly ms: number }): void
}

/**
 * The part of an MTProto client that is needed to observe it; the result of `mtproto()` has it.
 *
 * @example
 * ```ts
 * import { sentinel } from 'grammy-sentinel'
 * import { type MtprotoObserved, metrics } from 'grammy-sentinel/metrics'
 * import { mtproto } from 'grammy-sentinel/mtproto'
 *
 * const client: MtprotoObserved = mtproto({ apiId: 12345, apiHash: 'hash', botToken: '123:token' })
 * metrics(sentinel(), { mtproto: client })
 * ```
 */
export interface MtprotoObserved {
  watch(watch: MtprotoWatch): () => void
  counts(): {
    readonly connections: number
    readonly bytesIn: number
    readonly bytesOut: number
    readonly tooLong: number
    readonly handling: number
  }
}
