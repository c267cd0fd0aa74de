import type { Ms } from '../../core/duration.js'

/** The code with which Telegram refused a call; undefined if it did not answer. */
export function refusalCode(error: unknown): unknown {
  return error instanceof Error && 'error_code' in error ? error.error_code : undefined
}

/** How long not to repeat a call that failed: as long as Telegram says, otherwise a minute. */
export function waitAfter(error: unknown): Ms {
  return (Object(error).parameters?.retry_after ?? 60) * 1000
}
