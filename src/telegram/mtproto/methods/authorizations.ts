import type { Ms } from '../../../core/duration.js'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { AccountCall } from '../call.js'
import { badRequest } from '../rpc-error.js'
import type { AuthKey } from '../sessions/auth-keys.js'
import { forPeople } from './shared/for-people.js'

/** Days until inactive sessions end; reported to clients, but without effect here. */
const SESSIONS_END_AFTER = 180

export const AUTHORIZATIONS = forPeople({
  'account.getAuthorizations': (call) => ({
    _: 'account.authorizations',
    authorization_ttl_days: SESSIONS_END_AFTER,
    authorizations: keysOf(call).map((key) => describe(call, key)),
  }),
  'account.resetAuthorization': (call) => {
    const hash = call.request.hash as bigint
    const found = keysOf(call).find((key) => !isCurrent(call, key) && hashOf(key) === hash)
    if (found === undefined) throw badRequest('HASH_INVALID')
    end(call, found)
    return true
  },
  /** Ends all sessions except the current one. */
  'auth.resetAuthorizations': (call) => {
    for (const key of keysOf(call)) if (!isCurrent(call, key)) end(call, key)
    return true
  },
})

function isCurrent({ session }: AccountCall, key: AuthKey): boolean {
  return key === session.key.lasting
}

/** The account's log-ins. They are all in its own data centre, from where other data centres are authorized. */
function keysOf({ centre, account }: AccountCall): readonly AuthKey[] {
  return [...centre.keys.all()].filter((key) => key.account === account && key.expiresAt === undefined)
}

/** Id of a session. The current one is described with 0, and can only be ended by logging out. */
function hashOf(key: AuthKey): bigint {
  return BigInt.asIntN(64, key.id)
}

/** Ends a session: its client gets AUTH_KEY_UNREGISTERED. */
function end({ centre, account }: AccountCall, key: AuthKey): void {
  key.account = undefined
  centre.view.subscriptions.unsubscribe(key, account)
}

function describe(call: AccountCall, key: AuthKey): TlObject {
  const { apiId = 0, model = '', system = '', app = '' } = key.device ?? {}
  const dated = (at: Ms = call.centre.now()) => Math.floor(at / 1000)
  return {
    _: 'authorization',
    current: isCurrent(call, key),
    hash: isCurrent(call, key) ? 0n : hashOf(key),
    device_model: model,
    platform: '',
    system_version: system,
    api_id: apiId,
    app_name: 'an app',
    app_version: app,
    date_created: dated(key.loggedInAt),
    date_active: dated(key.heardAt),
    ip: '127.0.0.1',
    country: 'Unknown',
    region: '',
  }
}
