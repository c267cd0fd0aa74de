import type { Ms } from '../../../core/duration.js'
import type { Envelope } from '../../../mtproto/protocol/message.js'
import type { AuthKey } from './auth-keys.js'

/** Where a session's messages go: a connection it was heard on. */
export interface Wire {
  send(key: AuthKey, envelope: Envelope): void
  /** Closes it after so long, unless it is asked again before. */
  closeAfter(ms: Ms): void
  close(): void
}
