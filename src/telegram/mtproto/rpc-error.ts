import type { TlObject } from '../../mtproto/protocol/tl/object.js'

/** What a method answers when it cannot (https://core.telegram.org/api/errors). */
export class RpcError extends Error {
  override readonly name = 'RpcError'

  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message)
  }
}

/** As it stands in a result. */
export function rpcError(code: number, message: string): TlObject {
  return { _: 'mt_rpc_error', error_code: code, error_message: message }
}

/** A request that asks for what cannot be. */
export function badRequest(message: string): RpcError {
  return new RpcError(400, message)
}

/** Wait so many seconds, then ask again. */
export function floodWait(seconds: number): RpcError {
  return new RpcError(420, `FLOOD_WAIT_${Math.ceil(seconds)}`)
}

/** What waits for a time, in one data centre, is in another (https://core.telegram.org/api/errors#303-see-other). */
export function migrate(what: 'PHONE' | 'USER' | 'NETWORK' | 'FILE' | 'STATS', dc: number): RpcError {
  return new RpcError(303, `${what}_MIGRATE_${dc}`)
}
