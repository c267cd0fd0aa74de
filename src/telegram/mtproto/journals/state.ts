import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import type { MtprotoServer } from '../server.js'

/** Up to where an account's events have come (https://core.telegram.org/constructor/updates.state). */
export function stateOf(server: MtprotoServer, account: Account): TlObject {
  const { pts } = server.face.mailbox(account.id).journal
  const qts = server.face.happenings.qtsOf(account.id)
  const seq = server.face.happenings.seqOf(account.id)
  return { _: 'updates.state', pts, qts, date: server.world.date(), seq, unread_count: 0 }
}
