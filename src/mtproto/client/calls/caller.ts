import type { tl } from '@mtcute/core'
import type { TelegramClient } from '@mtcute/core/client.js'
import { SentinelError } from '../../../core/errors.js'
import { shown } from '../../../core/show.js'
import type { Names } from './names.js'
import { PERMISSIONS, type Permissions } from './permissions.js'
import { MtprotoRefusal, refusedOr } from './refusal.js'

/** `me`, `self` and phone numbers are mtcute's to read. */
const USERNAME = /^@?(?!me$|self$)[a-z]\w+$/i

/** What a number is asked for as: by which method, how an error calls it, and what Telegram says of one that it does not know. */
interface Kind {
  readonly method: string
  readonly words: string
  readonly unknown: readonly string[]
}

const USER: Kind = { method: 'users.getUsers', words: 'user', unknown: ['USER_ID_INVALID'] }
const CHANNEL: Kind = {
  method: 'channels.getChannels',
  words: 'supergroup and no channel; of basic groups Telegram tells only the Bot API',
  unknown: ['CHANNEL_INVALID', 'CHANNEL_PRIVATE'],
}
/** https://core.telegram.org/api/peers: a number says nothing without the hash that comes with a meeting. */
const NOT_MET =
  'An account knows by number only whom it has met: members of its groups, and whoever wrote to it. Ask by @username, or after they met.'

/** How a call is made, where that matters. */
export interface Way {
  /** Another data centre than the account's. */
  readonly dc?: number | undefined
  /** Connections that carry files apart from all else. */
  readonly kind?: 'upload' | 'download'
  readonly signal?: AbortSignal | undefined
}

/** Asks Telegram, and tells what it refuses in one way. */
export class Caller {
  constructor(
    readonly client: TelegramClient,
    private readonly names: Names,
    private readonly permissions: Permissions = PERMISSIONS,
  ) {}

  /** @throws SentinelError `mtproto.refused`, with what Telegram said; `mtproto.flood`. */
  async call<T extends tl.RpcMethod>(
    request: T,
    { dc, kind, signal }: Way = {},
  ): Promise<tl.RpcCallReturn[T['_']]> {
    const way = {
      ...(dc !== undefined && { dcId: dc }),
      ...(kind !== undefined && { kind }),
      ...(signal !== undefined && { abortSignal: signal }),
    }
    try {
      // The type asks that nothing is there which the schema does not have; `T` says so already.
      return (await this.client.call(request as never, way)) as tl.RpcCallReturn[T['_']]
    } catch (error) {
      throw refusedOr(error, request._, this.permissions)
    }
  }

  channel(chat: number | string): Promise<tl.TypeInputChannel> {
    return this.#resolved(chat, CHANNEL, (known) => this.client.resolveChannel(known))
  }

  user(user: number | string): Promise<tl.TypeInputUser> {
    return this.#resolved(user, USER, (known) => this.client.resolveUser(known))
  }

  peer(peer: number | string): Promise<tl.TypeInputPeer> {
    return this.#resolved(peer, Number(peer) < 0 ? CHANNEL : USER, (known) => this.client.resolvePeer(known))
  }

  /** Whose a username is, by number. */
  nameOf(username: string): Promise<number> {
    return this.names.resolve(username, this)
  }

  async #resolved<T>(
    peer: number | string,
    kind: Kind,
    resolve: (known: number | string) => Promise<T>,
  ): Promise<T> {
    const isName = typeof peer === 'string' && USERNAME.test(peer)
    const known = isName ? await this.nameOf(peer) : peer
    try {
      return await resolve(known)
    } catch (error) {
      const { name } = Object(error).constructor as { readonly name: string }
      // mtcute's own words: it finds no hash for a number, or it is a number of something else.
      if (name === 'MtPeerNotFoundError') throw new MtprotoRefusal(kind.method, 'PEER_NOT_MET', NOT_MET)
      if (name === 'MtInvalidPeerTypeError' || name === 'MtArgumentError') {
        throw new SentinelError('subject.invalid', `mtproto: ${shown(peer)} is no ${kind.words}.`)
      }
      const refused = refusedOr(error, kind.method, this.permissions)
      throw refused instanceof MtprotoRefusal && kind.unknown.includes(refused.reason)
        ? new MtprotoRefusal(kind.method, refused.reason, NOT_MET)
        : refused
    }
  }
}
