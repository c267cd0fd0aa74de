import { createHmac, randomBytes } from 'node:crypto'
import { CHANNEL_MARK } from '../../../mtproto/protocol/chat-ids.js'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import type { SharedChat } from '../../world/chats/chats.js'
import type { World } from '../../world/world.js'
import { badRequest } from '../rpc-error.js'
import type { BasicGroup } from './numbering.js'

/** The MTProto id of a supergroup or channel. */
export function channelId(chat: SharedChat): bigint {
  return BigInt(-chat.id - CHANNEL_MARK)
}

/** Converts an id of the Bot API to a peer. */
export function peerOf(id: number): TlObject {
  if (id > 0) return { _: 'peerUser', user_id: BigInt(id) }
  if (id > -CHANNEL_MARK) return { _: 'peerChat', chat_id: BigInt(-id) }
  return { _: 'peerChannel', channel_id: BigInt(-id - CHANNEL_MARK) }
}

export function chatIdOf(channel: bigint): number {
  return -Number(channel) - CHANNEL_MARK
}

/** Finds accounts and chats by clients' input objects, and generates their access hashes. */
export class Peers {
  readonly #secret = randomBytes(32)

  constructor(private readonly world: World) {}

  /** The hash by which `viewer` proves to know the peer; it differs by account (https://core.telegram.org/api/peers#access-hash). */
  accessHash(viewer: Account, kind: 'user' | 'channel', id: bigint): bigint {
    return createHmac('sha256', this.#secret).update(`${viewer.id} ${kind} ${id}`).digest().readBigInt64LE()
  }

  /** Finds the account of an `InputUser` or `InputPeer`. */
  user(viewer: Account, input: TlObject): Account {
    switch (input._) {
      case 'inputUserSelf':
      case 'inputPeerSelf':
        return viewer
      case 'inputUser':
      case 'inputPeerUser': {
        const id = input.user_id as bigint
        // "0 is accepted from bots for users they have met" (https://core.telegram.org/api/min).
        const hash = input.access_hash as bigint
        const isKnown = hash === this.accessHash(viewer, 'user', id) || (hash === 0n && viewer.kind === 'bot')
        const account = isKnown ? this.world.accounts.find(Number(id)) : undefined
        if (account === undefined) throw badRequest('USER_ID_INVALID')
        return account
      }
      default:
        throw badRequest('USER_ID_INVALID')
    }
  }

  /** Finds a basic group, which needs no hash; unknown to accounts that were never in it. */
  group(viewer: Account, id: bigint): BasicGroup {
    const chat = this.world.sharedChat(-Number(id))
    if (chat?.kind !== 'group' || !chat.members.has(viewer.id)) throw badRequest('CHAT_ID_INVALID')
    return chat as BasicGroup
  }

  /** Finds the chat of an `InputChannel` or `InputPeer`. */
  channel(viewer: Account, input: TlObject): SharedChat {
    if (input._ !== 'inputChannel' && input._ !== 'inputPeerChannel') throw badRequest('CHANNEL_INVALID')
    const id = input.channel_id as bigint
    const hash = input.access_hash as bigint
    const isKnown = hash === this.accessHash(viewer, 'channel', id) || (hash === 0n && viewer.kind === 'bot')
    const chat = isKnown ? this.world.sharedChat(chatIdOf(id)) : undefined
    if (chat === undefined) throw badRequest('CHANNEL_INVALID')
    return chat
  }
}
