import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import type { MtprotoServer } from '../server.js'

/**
 * Nothing is counted by `seq`. What a difference counts it must hold, and no difference holds a tap or an inline query: a client that
 * fetched one while a tap came would take the tap for one that it has had (https://core.telegram.org/api/updates).
 */
export const NO_SEQ = 0

/** Up to where an account's events have come (https://core.telegram.org/constructor/updates.state). */
export function stateOf(server: MtprotoServer, account: Account): TlObject {
  const { pts } = server.face.mailbox(account.id).journal
  const qts = server.face.happenings.qtsOf(account.id)
  return { _: 'updates.state', pts, qts, date: server.world.date(), seq: NO_SEQ, unread_count: 0 }
}
