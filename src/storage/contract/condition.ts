import type { Ms } from '../../core/duration.js'

/**
 * How calls to a storage are handled: `closed`, they go through; `open`, none is made because the storage is down; `half-open`,
 * one at a time is let through to test it.
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
 * State and history of a storage that may fail; see {@link resilient}.
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
  /** When the present state began, in milliseconds since 1970. */
  readonly since: Ms
  /** Reason for the latest failed call, as a code such as `ECONNREFUSED`, `TIMEOUT` or `OOM`. Absent: no call has failed. */
  readonly reason?: string
  /** The storage's own error message, without passwords. Absent if it adds nothing to the code. */
  readonly message?: string
  /** How many times the storage went down. */
  readonly outages: number
  /** Decisions made in memory in place of the storage, summed over everyone who shares it. */
  readonly instead: number
  /** Answers that arrived after the decision had been made without them. */
  readonly late: number
  /** Writes waiting for the storage to come back. */
  readonly waiting: { readonly marks: number; readonly settlements: number }
  /** Writes that were discarded because too many were waiting. */
  readonly dropped: { readonly marks: number; readonly settlements: number }
  /** The copy of marks that memory decides by, if there is one: its size, and whether it holds all marks. */
  readonly copy?: { readonly marks: number; readonly complete: boolean }
}

/** The event that a storage went down, came back, failed at something in the background, or needs attention. */
export type StorageCondition =
  | {
      readonly is: 'down'
      /** The kind of storage, such as `redis`; `unknown` if it was never reached. */
      readonly kind: string
      /** A code such as `ECONNREFUSED`, `TIMEOUT` or `OOM`. */
      readonly reason: string
      /** The storage's own error message, without passwords. */
      readonly message?: string
    }
  | {
      readonly is: 'up'
      readonly kind: string
      /** How long the storage was down, in milliseconds. */
      readonly after: Ms
    }
  | { readonly is: 'warning'; readonly code: string; readonly message: string }
  | { readonly is: 'failed'; readonly error: unknown; readonly during: string }

/** Receives every condition, synchronously. It must not throw. */
export type ConditionListener = (condition: StorageCondition) => void

/** A storage that reports its own condition. */
export interface Observable {
  /** Starts reporting to a listener and returns a function that stops it. */
  observe(listener: ConditionListener): () => void
}

/** Whether a storage reports its condition. */
export function isObservable<S extends object>(storage: S): storage is S & Observable {
  return 'observe' in storage && typeof storage.observe === 'function'
}
