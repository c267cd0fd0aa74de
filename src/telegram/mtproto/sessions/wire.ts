import type { Ms } from '../../../core/duration.js'
import type { Envelope } from '../../../mtproto/protocol/message.js'
import type { AuthKey } from './auth-keys.js'

/** The connection on which a session sends its messages. */
export interface Wire {
  send(key: AuthKey, envelope: Envelope): void
  /** Closes the connection after this time, unless called again before. */
  closeAfter(ms: Ms): void
  close(): void
}
