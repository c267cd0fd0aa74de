import { newServerKey, type ServerKey } from '../../../mtproto/protocol/rsa.js'
import type { TlObject, TlValue } from '../../../mtproto/protocol/tl/object.js'
import type { World } from '../../world/world.js'
import { DataCentres } from '../data-centres.js'
import { rangeOf } from '../files/ranges.js'
import { Rpc } from '../rpc.js'
import { RpcError, rpcError } from '../rpc-error.js'
import { MtprotoServer } from '../server.js'
import type { Session } from '../sessions/session.js'
import type { CdnRedirects } from './redirects.js'

let key: ServerKey | undefined

/** A CDN serves upload.getCdnFile only (https://core.telegram.org/cdn#working-with-cdns). */
class CdnRpc extends Rpc {
  constructor(private readonly redirects: CdnRedirects) {
    super({ open: new Map(), account: new Map() })
  }

  override async run(_: Session, asked: TlObject): Promise<TlValue> {
    let request = asked
    while (typeof request.query === 'object' && '_' in request.query) request = request.query as TlObject
    const { _: name } = request
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
    if (name !== 'upload.getCdnFile') return rpcError(400, 'CDN_METHOD_INVALID')
    try {
      const { offset, limit } = rangeOf(request)
      return this.redirects.part(request.file_token as Buffer, offset, limit)
    } catch (error) {
      if (error instanceof RpcError) return rpcError(error.code, error.message)
      throw error
    }
  }
}

/** Starts a CDN data centre at a free port. It has a key of its own, and serves no chats. */
export async function serveCdn(world: World, redirects: CdnRedirects): Promise<MtprotoServer> {
  // Generated once per process, like the key of the other data centres.
  key ??= newServerKey()
  const centres = new DataCentres(world, new CdnRpc(redirects), key)
  const server = new MtprotoServer(world, redirects.dc, centres)
  await server.listen()
  return server
}
