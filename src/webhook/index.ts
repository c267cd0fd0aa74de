export type { FetchInfo } from './fetch.js'
export type { IncomingUpdate, OutgoingAnswer } from './node.js'
export type { WebhookOptions } from './options.js'
export {
  type DrainOptions,
  type FastifyAnswer,
  type FastifyScope,
  type HonoContext,
  type SignalSource,
  Webhook,
} from './webhook.js'
