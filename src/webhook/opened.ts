/** What a webhook needs once it is used: one module, so that it is loaded in one go. */
export { Door } from './door.js'
export { goDown } from './ending.js'
export { answerFetch } from './fetch.js'
export { infoOf } from './hono.js'
export { NodeExchange } from './node.js'
