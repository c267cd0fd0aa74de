import type { Ms } from '../../../core/duration.js'
import type { Schema } from '../../../mtproto/protocol/tl/schema.js'
import type { AuthKeys } from '../sessions/auth-keys.js'
import type { KeyExchange } from '../sessions/key-exchange.js'
import type { MessageIds } from '../sessions/message-ids.js'
import type { Sessions } from '../sessions/sessions.js'
import type { Limits } from './limits.js'

/** What a connection uses of its server. */
export interface ConnectionHost {
  readonly limits: Limits
  readonly schema: Schema
  readonly messageIds: MessageIds
  readonly keys: AuthKeys
  readonly sessions: Sessions
  now(): Ms
  newKeyExchange(): KeyExchange
}
