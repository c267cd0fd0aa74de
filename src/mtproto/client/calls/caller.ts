import type { tl } from '@mtcute/core'
import type { TelegramClient } from '@mtcute/core/client.js'
import type { Names } from './names.js'
import { PERMISSIONS, type Permissions } from './permissions.js'
import { MtprotoRefusal, refusedOr } from './refusal.js'

/** `me`, `self` and phone numbers are mtcute's to read. */
const USERNAME = /^@?(?!me$|self$)[a-z]\w+$/i

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
    return this.#resolved(chat, (known) => this.client.resolveChannel(known))
  }

  user(user: number | string): Promise<tl.TypeInputUser> {
    return this.#resolved(user, (known) => this.client.resolveUser(known))
  }

  peer(peer: number | string): Promise<tl.TypeInputPeer> {
    return this.#resolved(peer, (known) => this.client.resolvePeer(known))
  }

  /** Whose a username is, by number. */
  nameOf(username: string): Promise<number> {
    return this.names.resolve(username, this)
  }

  async #resolved<T>(peer: number | string, resolve: (known: number | string) => Promise<T>): Promise<T> {
    const isName = typeof peer === 'string' && USERNAME.test(peer)
    const known = isName ? await this.nameOf(peer) : peer
    try {
      return await resolve(known)
    } catch (error) {
      // mtcute's own: a number it does not find without a hash.
      if (Object(error).constructor.name === 'MtPeerNotFoundError') {
        throw new MtprotoRefusal('contacts.resolveUsername', 'PEER_NOT_MET')
      }
      throw refusedOr(error, 'contacts.resolveUsername', this.permissions)
    }
  }
}
