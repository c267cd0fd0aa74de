import type { TlObject } from '../../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../../world/accounts.js'
import type { StoredMessage, WorldChat } from '../../../world/chats/chats.js'
import { badRequest } from '../../rpc-error.js'
import { answeredBy } from '../../views/headers.js'
import type { WorldView } from '../../world-view.js'

/** A requested message, which is given by id or by its relation to another (https://core.telegram.org/type/InputMessage). */
interface Asked {
  readonly id: number
  readonly stored: StoredMessage | undefined
}

/** Describes requested messages, and whom and what they mention. */
export function describeAsked(view: WorldView, account: Account, asked: readonly Asked[]) {
  const there = asked.map(({ stored }) => stored).filter((each) => each !== undefined)
  return {
    messages: asked.map(({ id, stored }) =>
      stored === undefined ? { _: 'messageEmpty', id } : view.describer.message(account, stored),
    ),
    topics: [],
    ...view.describer.mentioned(account, there),
  }
}

/** Finds requested messages. `chat` is where the pinned message is looked for; only requests to a channel have it. */
export function askedMessages(
  inputs: readonly TlObject[],
  find: (id: number) => StoredMessage | undefined,
  chat?: WorldChat,
): readonly Asked[] {
  return inputs.map((input) => {
    if (input._ === 'inputMessagePinned') {
      const pinned = chat === undefined ? [] : [...chat.history.pinned]
      if (pinned.length === 0) throw badRequest('MESSAGE_IDS_EMPTY')
      const id = Math.max(...pinned)
      return { id, stored: find(id) }
    }
    const id = input.id as number
    const stored = find(id)
    if (input._ !== 'inputMessageReplyTo') return { id, stored }
    const answered = stored && answeredBy(stored.message)
    return { id, stored: answered === undefined ? undefined : stored?.chat.history.find(answered) }
  })
}
