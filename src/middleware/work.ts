import type { Activity } from '../core/facts.js'

export const GUARD = 'concurrency'

/** What people do, and channels; not what is to be answered within seconds, or only tells. */
export const WORK: readonly Activity[] = ['message', 'edit', 'tap', 'inline', 'reaction', 'vote', 'post']
