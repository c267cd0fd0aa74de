import type { Method } from '../rpc.js'

export const TEMPORARY_KEYS = {
  /** All that are bound to the same permanent key; the one that asks is still needed for the answer. */
  'auth.dropTempAuthKeys': ({ server, session, request }) => {
    const kept = new Set((request.except_auth_keys as readonly bigint[]).map((id) => BigInt.asUintN(64, id)))
    const { lasting } = session.key
    for (const key of [...server.keys.all()]) {
      if (key.boundTo === lasting && key !== session.key && !kept.has(key.id)) server.forget(key)
    }
    return true
  },
} as const satisfies Record<string, Method>
