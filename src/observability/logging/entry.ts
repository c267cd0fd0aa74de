import { peer } from '../../core/peer.js'

export type * from './index.js'

/**
 * The module for `import` on Node: it is the same as the index, or throws an error that says what to install. Bundlers and
 * `require()` get the index itself, because they cannot handle top-level await: bundlers either add the condition `module`, or lack
 * `module-sync`.
 */
export const { logging } = await peer('grammy-sentinel/logging', 'pino', () => import('./index.js'))
