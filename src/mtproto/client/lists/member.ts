import type { Caller } from '../calls/caller.js'
import { usersById } from '../calls/peers.js'
import { reasonOf } from '../calls/refusal.js'
import { type Member, memberOf } from './members.js'

/**
 * Returns a user's membership in a supergroup or channel; undefined if they were never in it.
 *
 * @throws SentinelError `mtproto.refused`.
 */
export async function memberIn(
  caller: Caller,
  chat: number | string,
  user: number | string,
): Promise<Member | undefined> {
  const channel = await caller.channel(chat)
  const participant = await caller.peer(user)
  try {
    const found = await caller.call({ _: 'channels.getParticipant', channel, participant })
    return memberOf(found.participant, usersById(found.users))
  } catch (error) {
    if (reasonOf(error) === 'USER_NOT_PARTICIPANT') return undefined
    throw error
  }
}
