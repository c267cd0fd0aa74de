import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import type { MtprotoServer } from '../server.js'

/**
 * Updates are not numbered by `seq`. A difference would have to contain everything that `seq` counts, but callback and inline
 * queries are never part of a difference: a client that fetches one while such a query arrives would take the query for already
 * seen (https://core.telegram.org/api/updates).
 */
export const NO_SEQ = 0

/** An account's current position in its updates (https://core.telegram.org/constructor/updates.state). */
export function stateOf(server: MtprotoServer, account: Account): TlObject {
  const { pts } = server.face.mailbox(account.id).journal
  const qts = server.face.botEvents.qtsOf(account.id)
  return { _: 'updates.state', pts, qts, date: server.world.date(), seq: NO_SEQ, unread_count: 0 }
}
