import { keySubject, type SubjectRef } from '../../core/subject.js'
import type { MarkEntry } from '../../storage/contract/storage.js'

/** Converts a mark to an entry of the block list. */
export function blockedOf({ key, mark: { since, until, reason } }: MarkEntry): Blocked {
  return {
    subject: keySubject(key),
    since,
    ...(until === undefined ? {} : { until }),
    ...(reason === undefined ? {} : { reason }),
  }
}

export function isTime(value: unknown): value is number {
  return Number.isFinite(value)
}

/**
 * An entry of the block list.
 *
 * @example
 * ```ts
 * import { type Blocked, keyText, sentinel, subjectKey } from 'grammy-sentinel'
 *
 * const line = ({ subject, reason = '' }: Blocked) => `${keyText(subjectKey(subject))} ${reason}`
 * for await (const blocked of sentinel().blocked()) console.log(line(blocked)) // 'u1234567 spam'
 * ```
 */
export interface Blocked {
  readonly subject: SubjectRef
  /** Start of the block, in milliseconds since 1970. */
  readonly since: number
  /** End of the block, in milliseconds since 1970; absent for a permanent block. */
  readonly until?: number
  readonly reason?: string
}

/**
 * The block list as plain JSON: what `guard.export()` returns and `guard.import()` takes.
 *
 * @example
 * ```ts
 * import { type BlockListExport, sentinel } from 'grammy-sentinel'
 *
 * const list: BlockListExport = {
 *   version: 1,
 *   blocked: [{ subject: 'u1234567', since: 1_795_000_000_000, reason: 'spam' }],
 * }
 * await sentinel().import(list) // 1
 * ```
 */
export interface BlockListExport {
  readonly version: 1
  readonly blocked: readonly {
    /** The subject as text, such as `u1234567`, `c-100123`, `s-100123`. */
    readonly subject: string
    readonly since: number
    readonly until?: number
    readonly reason?: string
  }[]
}
