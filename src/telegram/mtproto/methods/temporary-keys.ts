import type { Method } from '../call.js'

export const TEMPORARY_KEYS = {
  /** Drops the temporary keys of the same permanent key, except the current one, which is needed for the answer. */
  'auth.dropTempAuthKeys': ({ centre, session, request }) => {
    const kept = new Set((request.except_auth_keys as readonly bigint[]).map((id) => BigInt.asUintN(64, id)))
    const { lasting } = session.key
    for (const key of [...centre.keys.all()]) {
      if (key.boundTo === lasting && key !== session.key && !kept.has(key.id)) centre.forget(key)
    }
    return true
  },
} as const satisfies Record<string, Method>
