import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Call, Method } from '../call.js'
import type { LoginToken } from '../logins/login-tokens.js'
import { badRequest, RpcError } from '../rpc-error.js'
import { logIn } from './auth.js'
import { forPeople } from './shared/for-people.js'

/** Methods for log-ins by QR code, available without a log-in (https://core.telegram.org/api/qr-login). */
export const QR_LOGIN = {
  'auth.exportLoginToken': (call) => {
    const { centre, session } = call
    const accepted = centre.loginTokens.accepted(session)
    return accepted === undefined
      ? shown(centre.loginTokens.export(session, centre.now()))
      : letIn(call, accepted)
  },
  'auth.importLoginToken': (call) => {
    const { centre, request } = call
    const found = centre.loginTokens.import(request.token as Uint8Array, centre.now())
    return found.account === undefined ? shown(found) : letIn(call, found)
  },
} as const satisfies Record<string, Method>

/** The method called by the phone that scans the code. */
export const QR_SCAN = forPeople({
  'auth.acceptLoginToken': ({ centre, account, request }) => {
    const date = Math.floor(centre.now() / 1000)
    centre.loginTokens.accept(request.token as Uint8Array, account, centre.now())
    return {
      _: 'authorization',
      hash: BigInt(date),
      device_model: 'embedded',
      platform: 'embedded',
      system_version: '',
      api_id: 1,
      app_name: 'embedded',
      app_version: '1',
      date_created: date,
      date_active: date,
      ip: '127.0.0.1',
      country: '',
      region: '',
    }
  },
})

function shown({ token, until }: LoginToken): TlObject {
  return { _: 'auth.loginToken', expires: Math.floor(until / 1000), token }
}

/** Logs in the account that scanned the code, redirecting to its data centre, and asking for its password if it has one. */
function letIn(call: Call, accepted: LoginToken): TlObject {
  const { centre, session } = call
  const { account } = accepted
  if (account === undefined) throw badRequest('AUTH_TOKEN_INVALID')
  const home = centre.centres.homeOf(account)
  if (home !== centre.dc) return { _: 'auth.loginTokenMigrateTo', dc_id: home, token: accepted.token }
  centre.loginTokens.spend(accepted)
  if (centre.passwords.has(account)) {
    session.key.lasting.passwordNeededFor = account
    throw new RpcError(401, 'SESSION_PASSWORD_NEEDED')
  }
  return { _: 'auth.loginTokenSuccess', authorization: logIn(call, account) }
}
