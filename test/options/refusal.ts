import { SentinelError } from '../../src/core/errors.js'
import { readOptions, type SentinelOptions } from '../../src/options/index.js'

/** The report of a wrong value: its code, and words of the message. */
export function refusal(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof SentinelError) return `${error.code} ${error.message}`
    throw error
  }
  return 'taken'
}

/** Options as they come from untyped code. */
export const wrong = (options: unknown): string => refusal(() => readOptions(options as SentinelOptions))
