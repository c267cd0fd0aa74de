import type { Plan } from '../../core/check.js'
import { SentinelError } from '../../core/errors.js'

/**
 * Whether a value is a decision about a plan, in all respects that could crash a bot. Checked because third-party storages may
 * return anything.
 */
export function isDecision(value: unknown, { checks }: Plan): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { refusedBy, shadowRefusals } = value as {
    readonly refusedBy?: unknown
    readonly shadowRefusals?: unknown
  }
  return (
    (refusedBy === -1 || isCheck(refusedBy, checks.length)) &&
    Array.isArray(shadowRefusals) &&
    (shadowRefusals.length === 0 || shadowRefusals.every((index) => isCheck(index, checks.length)))
  )
}

function isCheck(index: unknown, count: number): boolean {
  return typeof index === 'number' && Number.isInteger(index) && index >= 0 && index < count
}

export function noDecision(): SentinelError {
  return wrongAnswer('a decision')
}

/** The error for an answer that does not fulfil the contract of storages. */
export function wrongAnswer(expected: string): SentinelError {
  return new SentinelError(
    'storage.failed',
    `The storage did not answer with ${expected}. Test it with storageConformance() of grammy-sentinel/testing.`,
  )
}
