import type { Activity } from '../../core/kinds.js'

export const GUARD = 'concurrency'

/** User actions and channel posts, without updates that must be answered within seconds and without mere reports. */
export const WORK: readonly Activity[] = ['message', 'edit', 'tap', 'inline', 'reaction', 'vote', 'post']
