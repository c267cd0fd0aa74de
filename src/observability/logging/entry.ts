import { peer } from '../../core/peer.js'

export type * from './index.js'

/**
 * What `import` gets on Node: the same module, or an error that tells what to install. Bundlers and `require()` get the module itself, for
 * neither can wait.
 */
export const { logging } = await peer('grammy-sentinel/logging', 'pino', () => import('./index.js'))
