import type { TlObject, TlValue } from '../../../mtproto/protocol/tl/object.js'
import type { AuthKey } from './auth-keys.js'
import type { Received } from './received.js'
import type { SessionHost } from './session-host.js'

/** A session as service messages see it: they report on its messages, and have them sent again. */
export interface ServedSession {
  readonly server: SessionHost
  readonly id: bigint
  readonly key: AuthKey
  readonly received: Received
  /** Answers a request. */
  answer(id: bigint, result: TlValue): void
  /** Answers a service message. */
  reply(object: TlObject, isContent: boolean): void
  /** Notes that the client has received these messages. */
  acknowledge(ids: readonly bigint[]): void
  /** Resends a message; returns false if it is not kept. */
  resend(id: bigint): boolean
  /** Resends the answer to a request; returns false if it is not kept. */
  resendAnswer(request: bigint): boolean
  /** Cancels the answer to a request (https://core.telegram.org/mtproto/service_messages#cancellation-of-an-rpc-query). */
  drop(request: bigint): TlObject
}
