import type { Ms } from '../core/duration.js'

/**
 * Where calls to a storage go: `closed`, to it; `open`, nowhere, for it is down; `half-open`, one at a time, to see how it
 * fares.
 *
 * @example
 * ```ts
 * import { type CircuitState, sentinel } from 'grammy-sentinel'
 *
 * const { storage } = await sentinel().health()
 * const state: CircuitState = storage.circuit?.state ?? 'closed'
 * ```
 */
export type CircuitState = 'closed' | 'open' | 'half-open'

/**
 * How a storage that may fail has fared; see {@link resilient}.
 *
 * @example
 * ```ts
 * import type { CircuitHealth } from 'grammy-sentinel'
 *
 * const line = ({ state, since, reason = '' }: CircuitHealth) =>
 *   `${state} since ${new Date(since).toISOString()} ${reason}`
 * ```
 */
export interface CircuitHealth {
  readonly state: CircuitState
  /** In milliseconds since 1970. */
  readonly since: Ms
  /** Why the last call that failed did: a code such as `ECONNREFUSED`, `TIMEOUT` or `OOM`. Absent: none has. */
  readonly reason?: string
  /** The same for people, as the storage says it, without passwords; absent where it says no more than the code. */
  readonly message?: string
  /** How often it went down. */
  readonly outages: number
  /** Decisions that were made in memory in its place, for all that share it. */
  readonly instead: number
  /** Answers that came when it had been decided without them. */
  readonly late: number
  /** What waits to be written when the storage is back. */
  readonly waiting: { readonly marks: number; readonly settlements: number }
  /** What was given up of it, since too much waited. */
  readonly dropped: { readonly marks: number; readonly settlements: number }
  /** The copy of marks that memory decides by, where there is one: how many there are, and whether all of them are. */
  readonly copy?: { readonly marks: number; readonly complete: boolean }
}

/** A storage went down or came back, or something in the background failed. */
export type StorageCondition =
  | {
      readonly is: 'down'
      /** Which storage, such as `redis`; `unknown` if it was never reached. */
      readonly kind: string
      /** A code such as `ECONNREFUSED`, `TIMEOUT` or `OOM`. */
      readonly reason: string
      /** What the storage says of it, without passwords. */
      readonly message?: string
    }
  | {
      readonly is: 'up'
      readonly kind: string
      /** For how long it was down, in milliseconds. */
      readonly after: Ms
    }
  | { readonly is: 'failed'; readonly error: unknown; readonly during: string }

/** Told of every condition, synchronously; it must not throw. */
export type ConditionListener = (condition: StorageCondition) => void

/** A storage that tells how what it stands on fares. */
export interface Observable {
  /** The function it gives stops it. */
  observe(listener: ConditionListener): () => void
}

/** Whether a storage tells how it fares. */
export function isObservable<S extends object>(storage: S): storage is S & Observable {
  return 'observe' in storage && typeof storage.observe === 'function'
}
