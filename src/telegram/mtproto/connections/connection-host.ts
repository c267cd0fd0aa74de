import type { Ms } from '../../../core/duration.js'
import type { Envelope } from '../../../mtproto/protocol/message.js'
import type { Schema } from '../../../mtproto/protocol/tl/schema.js'
import type { AuthKey, AuthKeys } from '../sessions/auth-keys.js'
import type { KeyExchange } from '../sessions/key-exchange.js'
import type { MessageIds } from '../sessions/message-ids.js'
import type { Session } from '../sessions/session.js'
import type { Limits } from './limits.js'

/** What a connection uses of its server. */
export interface ConnectionHost {
  readonly limits: Limits
  readonly schema: Schema
  readonly messageIds: MessageIds
  readonly keys: AuthKeys
  now(): Ms
  newKeyExchange(): KeyExchange
  /** Returns the session of a message, creating it with its first message. */
  session(key: AuthKey, envelope: Envelope): Session
}
