import { decryptBinding } from '../../../mtproto/protocol/message.js'
import { TlReader } from '../../../mtproto/protocol/tl/reader.js'
import type { Method } from '../call.js'
import { badRequest } from '../rpc-error.js'

/** Temporary keys, which clients use for perfect forward secrecy (https://core.telegram.org/api/pfs). */
export const TEMPORARY_KEYS = {
  'auth.bindTempAuthKey': ({ centre, session, request, messageId }) => {
    const { key } = session
    const now = centre.now()
    const permanent = centre.keys.find(BigInt.asUintN(64, request.perm_auth_key_id as bigint), now)
    if (key.expiresAt === undefined) throw badRequest('TEMP_AUTH_KEY_EMPTY')
    if (permanent === undefined || permanent.expiresAt !== undefined)
      throw badRequest('ENCRYPTED_MESSAGE_INVALID')
    const bound = decryptBinding(permanent.key, request.encrypted_message as Buffer)
    const inner = bound && new TlReader(centre.schema, bound.body).object()
    if ((request.expires_at as number) * 1000 <= now) throw badRequest('EXPIRES_AT_INVALID')
    const isMeant =
      inner?._ === 'mt_bind_auth_key_inner' &&
      bound?.messageId === messageId &&
      inner.nonce === request.nonce &&
      BigInt.asUintN(64, inner.temp_auth_key_id as bigint) === key.id &&
      inner.perm_auth_key_id === request.perm_auth_key_id &&
      inner.temp_session_id === session.id &&
      inner.expires_at === request.expires_at
    if (!isMeant) throw badRequest('ENCRYPTED_MESSAGE_INVALID')
    if (key.boundTo !== undefined && key.boundTo !== permanent)
      throw badRequest('TEMP_AUTH_KEY_ALREADY_BOUND')
    centre.sessions.bind(key, permanent)
    return true
  },
  /** Drops the temporary keys of the same permanent key, except the current one, which is needed for the answer. */
  'auth.dropTempAuthKeys': ({ centre, session, request }) => {
    const kept = new Set((request.except_auth_keys as readonly bigint[]).map((id) => BigInt.asUintN(64, id)))
    const { lasting } = session.key
    for (const key of [...centre.keys.all()]) {
      if (key.boundTo === lasting && key !== session.key && !kept.has(key.id)) centre.sessions.forget(key)
    }
    return true
  },
} as const satisfies Record<string, Method>
