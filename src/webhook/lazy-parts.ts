/** Everything that a webhook needs once it is used, in one module, so that it is loaded at once. */
export { Door } from './door.js'
export { answerFetch } from './fetch.js'
export { infoOf } from './hono.js'
export { NodeExchange } from './node.js'
export { shutDown } from './shutdown.js'
