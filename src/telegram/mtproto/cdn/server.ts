import { newServerKey, type ServerKey } from '../../../mtproto/protocol/rsa.js'
import type { TlObject, TlValue } from '../../../mtproto/protocol/tl/object.js'
import type { World } from '../../world/world.js'
import { rangeOf } from '../files/ranges.js'
import { RpcError, rpcError } from '../rpc-error.js'
import { MtprotoServer } from '../server.js'
import type { ClientSession } from '../sessions/client-session.js'
import type { CdnRedirects } from './redirects.js'

let key: ServerKey | undefined

/** Generated once per process, like the key of the other data centres. */
function ownKey(): ServerKey {
  key ??= newServerKey()
  return key
}

/**
 * The server of a CDN data centre. It has a key of its own, and serves upload.getCdnFile only
 * (https://core.telegram.org/cdn#working-with-cdns).
 */
export class CdnServer extends MtprotoServer {
  constructor(
    world: World,
    private readonly redirects: CdnRedirects,
  ) {
    super(world, redirects.dc, ownKey())
  }

  override async run(_: ClientSession, asked: TlObject): Promise<TlValue> {
    let request = asked
    while (typeof request.query === 'object' && '_' in request.query) request = request.query as TlObject
    if (request._ !== 'upload.getCdnFile') return rpcError(400, 'CDN_METHOD_INVALID')
    try {
      const { offset, limit } = rangeOf(request)
      return this.redirects.part(request.file_token as Buffer, offset, limit)
    } catch (error) {
      if (error instanceof RpcError) return rpcError(error.code, error.message)
      throw error
    }
  }
}
