import type { tl } from '@mtcute/core'
import type { TelegramClient } from '@mtcute/core/client.js'
import { SentinelError } from '../../../core/errors.js'
import { shown } from '../../../core/show.js'
import type { Names } from './names.js'
import type { Permissions } from './permissions.js'
import { MtprotoRefusal, refusedOr } from './refusal.js'
import { untilAborted } from './until-aborted.js'

/** Usernames; `me`, `self` and phone numbers are left to mtcute. */
const USERNAME = /^@?(?!me$|self$)[a-z]\w+$/i

/** How a numeric id is looked up: by which method, what errors call it, and Telegram's reasons for an unknown id. */
interface Kind {
  readonly method: string
  readonly words: string
  readonly unknown: readonly string[]
}

const USER: Kind = { method: 'users.getUsers', words: 'a user', unknown: ['USER_ID_INVALID'] }
const CHANNEL: Kind = {
  method: 'channels.getChannels',
  words: 'a supergroup or channel; basic groups are available through the Bot API only',
  unknown: ['CHANNEL_INVALID', 'CHANNEL_PRIVATE'],
}
/** An id can be used only with its access hash, which comes with an earlier encounter (https://core.telegram.org/api/peers). */
const NOT_MET =
  'An account can look up by id only users it has met: members of its groups, and those who wrote to it. Pass the @username, or ask after they have met.'

/** Options of a call. */
interface Way {
  /** Calls this data centre instead of the account's own. */
  readonly dc?: number | undefined
  /** Uses the separate connections for file transfers. */
  readonly kind?: 'upload' | 'download'
  readonly signal?: AbortSignal | undefined
}

/** Calls Telegram and converts its errors. */
export class Caller {
  constructor(
    readonly client: TelegramClient,
    private readonly names: Names,
    private readonly permissions: Permissions,
    /** Signals that end the wait for a lookup. */
    private readonly endings: readonly AbortSignal[],
  ) {}

  /** Returns a caller whose lookups are no longer waited for once the signal is aborted, either. */
  until(signal: AbortSignal): Caller {
    return new Caller(this.client, this.names, this.permissions, [...this.endings, signal])
  }

  /** @throws SentinelError `mtproto.refused`, with Telegram's reason; `mtproto.flood`. */
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
      // mtcute's type forbids extra properties, which `T` guarantees already.
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

  /** Returns the id of the user or chat that has the username. */
  nameOf(username: string): Promise<number> {
    return this.#waited(this.names.resolve(username, this))
  }

  #waited<T>(lookup: Promise<T>): Promise<T> {
    return untilAborted(lookup, ...this.endings)
  }

  async #resolved<T>(
    peer: number | string,
    kind: Kind,
    resolve: (known: number | string) => Promise<T>,
  ): Promise<T> {
    const isName = typeof peer === 'string' && USERNAME.test(peer)
    const known = isName ? await this.nameOf(peer) : peer
    const lookup = resolve(known).catch((error: unknown) => {
      throw this.#converted(error, peer, kind)
    })
    // Waits outside of the conversion, so that the reason of a signal is thrown unchanged.
    return this.#waited(lookup)
  }

  /** Converts an error of a lookup. */
  #converted(error: unknown, peer: number | string, kind: Kind): unknown {
    const { name } = Object(error).constructor as { readonly name: string }
    // Error classes of mtcute: no access hash is known for the id, or the id is of another kind.
    if (name === 'MtPeerNotFoundError') return new MtprotoRefusal(kind.method, 'PEER_NOT_MET', NOT_MET)
    if (name === 'MtInvalidPeerTypeError' || name === 'MtArgumentError') {
      return new SentinelError('subject.invalid', `mtproto: ${shown(peer)} is not ${kind.words}.`)
    }
    const refused = refusedOr(error, kind.method, this.permissions)
    return refused instanceof MtprotoRefusal && kind.unknown.includes(refused.reason)
      ? new MtprotoRefusal(kind.method, refused.reason, NOT_MET)
      : refused
  }
}
