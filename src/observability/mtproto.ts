/**
 * Watches a client of MTProto at work: what its metrics and spans are made of.
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
  /** A call goes out. The returned function is told when it was answered, with the name of the error, if it was one. */
  call?(method: string): ((error: string | undefined) => void) | undefined
  /** A call has to wait, as Telegram demands. */
  wait?(wait: { readonly method: string; readonly waitMs: number }): void
  /** Updates were missed, and have been fetched. */
  recovered?(gap: { readonly of: 'account' | 'channel'; readonly ms: number }): void
}

/**
 * What is needed of a client of MTProto to see it: whatever `mtproto()` gives has it.
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
