import type { TlObject, TlValue } from '../../mtproto/protocol/tl/object.js'
import type { Account } from '../world/accounts.js'
import type { DataCentre } from './data-centre.js'
import type { ClientSession } from './sessions/client-session.js'

/** A call, as passed to the implementation of its method. */
export interface Call {
  readonly centre: DataCentre
  readonly session: ClientSession
  readonly request: TlObject
  /** Id of the message that contained the request. */
  readonly messageId: bigint
}

/** A call by a logged-in account. */
export interface AccountCall extends Call {
  readonly account: Account
}

export type Method = (call: Call) => TlValue | Promise<TlValue>

export type AccountMethod = (call: AccountCall) => TlValue | Promise<TlValue>

/** Implementations of methods by name. Maps, because names come from clients and must not reach prototypes. */
export interface Methods {
  /** Methods available without a log-in. */
  readonly open: ReadonlyMap<string, Method>
  readonly account: ReadonlyMap<string, AccountMethod>
}
