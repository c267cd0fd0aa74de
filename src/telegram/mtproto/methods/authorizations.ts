import type { Ms } from '../../../core/duration.js'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { AccountCall, AccountMethod } from '../rpc.js'
import { badRequest } from '../rpc-error.js'
import type { MtprotoServer } from '../server.js'
import type { AuthKey } from '../sessions/auth-keys.js'

/** Days until inactive sessions end; reported to clients, but without effect here. */
const SESSIONS_END_AFTER = 180

export const AUTHORIZATIONS = {
  'account.getAuthorizations': (call) => {
    const { server, session } = ofPerson(call)
    const own = session.key.lasting
    return {
      _: 'account.authorizations',
      authorization_ttl_days: SESSIONS_END_AFTER,
      authorizations: keysOf(call).map(({ key }) => describe(server, key, key === own)),
    }
  },
  'account.resetAuthorization': (call) => {
    ofPerson(call)
    const hash = call.request.hash as bigint
    const own = call.session.key.lasting
    const found = keysOf(call).find(({ key }) => key !== own && hashOf(key) === hash)
    if (found === undefined) throw badRequest('HASH_INVALID')
    end(call, found)
    return true
  },
  /** Ends all sessions except the current one. */
  'auth.resetAuthorizations': (call) => {
    ofPerson(call)
    const own = call.session.key.lasting
    for (const each of keysOf(call)) if (each.key !== own) end(call, each)
    return true
  },
} as const satisfies Record<string, AccountMethod>

interface Held {
  readonly server: MtprotoServer
  readonly key: AuthKey
}

function ofPerson(call: AccountCall): AccountCall {
  if (call.account.kind === 'bot') throw badRequest('BOT_METHOD_INVALID')
  return call
}

/** The account's log-ins. They are all in its own data centre, from where other data centres are authorized. */
function keysOf({ server, account }: AccountCall): readonly Held[] {
  return [...server.keys.all()]
    .filter((key) => key.account === account && key.expiresAt === undefined)
    .map((key) => ({ server, key }))
}

/** Id of a session. The current one is described with 0, and can only be ended by logging out. */
function hashOf(key: AuthKey): bigint {
  return BigInt.asIntN(64, key.id)
}

/** Ends a session: its client gets AUTH_KEY_UNREGISTERED. */
function end({ account }: AccountCall, { server, key }: Held): void {
  key.account = undefined
  server.face.unsubscribe(key, account)
}

function describe(server: MtprotoServer, key: AuthKey, isCurrent: boolean): TlObject {
  const { apiId = 0, model = '', system = '', app = '' } = key.device ?? {}
  const dated = (at: Ms = server.now()) => Math.floor(at / 1000)
  return {
    _: 'authorization',
    current: isCurrent,
    hash: isCurrent ? 0n : hashOf(key),
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
