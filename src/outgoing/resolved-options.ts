import { parseDuration } from '../core/duration.js'
import type { OutgoingOptions } from './options.js'

/** The options of a sender, with defaults. */
export type ResolvedOptions = ReturnType<typeof resolveOptions>

export function resolveOptions(options: OutgoingOptions) {
  const { attempts = 4, maxWait = '1m', maxWaiting = 1000, jitter = '250ms' } = options
  const { order = 'flood', retry = ['flood'], repeat = 'safe', share = true } = options
  return {
    attempts,
    maxWait: parseDuration(maxWait, 'outgoing.maxWait'),
    maxWaiting,
    jitter: parseDuration(jitter, 'outgoing.jitter'),
    /** Whether calls to one chat are always made in order. */
    isStrict: order === 'chat',
    retry: new Set(retry),
    /** Whether calls are repeated that may take effect twice. */
    repeatsAll: repeat === 'all',
    share,
  }
}
