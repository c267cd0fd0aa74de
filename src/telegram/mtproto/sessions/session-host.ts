import type { Ms } from '../../../core/duration.js'
import type { TlObject, TlValue } from '../../../mtproto/protocol/tl/object.js'
import type { Schema } from '../../../mtproto/protocol/tl/schema.js'
import type { AuthKey } from './auth-keys.js'
import type { ClientSession } from './client-session.js'
import type { MessageIds } from './message-ids.js'

/** What a session uses of its server. */
export interface SessionHost {
  readonly schema: Schema
  readonly messageIds: MessageIds
  now(): Ms
  /** Runs a request. Never rejects: an error is a result, too. */
  run(session: ClientSession, request: TlObject, messageId: bigint): Promise<TlValue>
  readonly sessions: {
    /** Ends a session of a key; returns false if there is none of that id. */
    end(owner: AuthKey, id: bigint): boolean
    /** Removes a key, and ends its sessions. */
    forget(key: AuthKey): void
  }
}
