import type { TlObject } from '../../mtproto/protocol/tl/object.js'

/** An error response of a method (https://core.telegram.org/api/errors). */
export class RpcError extends Error {
  override readonly name = 'RpcError'

  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message)
  }
}

/** An error as the result of a call. */
export function rpcError(code: number, message: string): TlObject {
  return { _: 'mt_rpc_error', error_code: code, error_message: message }
}

/** Error 400, for an invalid request. */
export function badRequest(message: string): RpcError {
  return new RpcError(400, message)
}

/** Error 303: the object is in another data centre (https://core.telegram.org/api/errors#303-see-other). */
export function migrate(what: 'PHONE' | 'USER' | 'NETWORK' | 'FILE', dc: number): RpcError {
  return new RpcError(303, `${what}_MIGRATE_${dc}`)
}
