import type { tl } from '@mtcute/core'
import type { TelegramClient } from '@mtcute/core/client.js'
import { SentinelError } from '../../core/errors.js'

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
  constructor(readonly client: TelegramClient) {}

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
      throw refusedOr(error, request._)
    }
  }

  channel(chat: number | string): Promise<tl.TypeInputChannel> {
    return resolved(chat, () => this.client.resolveChannel(chat))
  }

  user(user: number | string): Promise<tl.TypeInputUser> {
    return resolved(user, () => this.client.resolveUser(user))
  }

  peer(peer: number | string): Promise<tl.TypeInputPeer> {
    return resolved(peer, () => this.client.resolvePeer(peer))
  }
}

async function resolved<T>(peer: number | string, resolve: () => Promise<T>): Promise<T> {
  try {
    return await resolve()
  } catch (error) {
    // mtcute's own: of a name Telegram was asked, a number it does not find without a hash.
    if (Object(error).constructor.name === 'MtPeerNotFoundError') {
      const reason = typeof peer === 'string' ? 'USERNAME_NOT_OCCUPIED' : 'PEER_NOT_MET'
      throw new MtprotoRefusal('contacts.resolveUsername', reason)
    }
    throw refusedOr(error, 'contacts.resolveUsername')
  }
}

/** What Telegram called the reason; undefined for errors that are not its own. */
export function reasonOf(error: unknown): string | undefined {
  return error instanceof MtprotoRefusal ? error.reason : undefined
}

/**
 * Telegram refused a call. `reason` is its own word for why, such as `CHAT_ADMIN_REQUIRED`
 * (https://core.telegram.org/api/errors).
 *
 * @example
 * ```ts
 * import { type MtprotoClient, MtprotoRefusal } from 'grammy-sentinel/mtproto'
 *
 * async function isTaken(client: MtprotoClient, name: string): Promise<boolean> {
 *   try {
 *     await client.resolve(name)
 *     return true
 *   } catch (error) {
 *     if (error instanceof MtprotoRefusal && error.reason === 'USERNAME_NOT_OCCUPIED') return false
 *     throw error
 *   }
 * }
 * ```
 */
export class MtprotoRefusal extends SentinelError {
  constructor(
    readonly method: string,
    readonly reason: string,
  ) {
    super('mtproto.refused', `mtproto: Telegram refuses ${method}: ${reason}.`)
  }
}

export function refusedOr(error: unknown, method: string): unknown {
  const { text } = Object(error) as { readonly text?: unknown }
  return typeof text === 'string' ? new MtprotoRefusal(method, numbered(text, Object(error))) : error
}

/** mtcute takes numbers out of names (`FILE_MIGRATE_%d`) and keeps them beside; Telegram's own word has them. */
function numbered(text: string, error: object): string {
  if (!text.includes('%d')) return text
  const found = Object.entries(error).find(([name, value]) => name !== 'code' && typeof value === 'number')
  return found === undefined ? text : text.replace('%d', String(found[1]))
}
