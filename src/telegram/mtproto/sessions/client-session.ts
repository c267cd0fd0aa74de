import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { AuthKey } from './auth-keys.js'

/** A session as methods, log-ins and the sending of updates see it. */
export interface ClientSession {
  readonly id: bigint
  /** The key of the latest message; temporary keys change. */
  readonly key: AuthKey
  /** Whether the session gets updates. */
  wantsUpdates: boolean
  /** Unsubscribes the session from updates; undefined unless it is subscribed. */
  unsubscribe: (() => void) | undefined
  /** Sends a message that is not an answer. */
  send(object: TlObject): void
  /** Whether an earlier request succeeds; undefined if no such request is known. */
  outcomeOf(request: bigint): Promise<boolean> | undefined
}
