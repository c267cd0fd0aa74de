import { randomBytes } from 'node:crypto'
import type { Ms } from '../../../core/duration.js'
import { keepLatest } from '../../../core/maps.js'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import type { AccountMethod, Call, Method } from '../call.js'
import type { DataCentre } from '../data-centre.js'
import { badRequest, migrate, RpcError } from '../rpc-error.js'
import type { SentCode } from '../sessions/auth-keys.js'

/** How long a login code is valid. */
const CODE_HOLDS: Ms = 5 * 60_000
/** Maximum number of login codes kept per key. */
const MOST_CODES = 20

export const AUTH = {
  'auth.importBotAuthorization': (call) => {
    const account = call.centre.world.accounts.botByToken(call.request.bot_auth_token as string)
    if (account === undefined) throw badRequest('ACCESS_TOKEN_INVALID')
    atHome(call.centre, account, 'USER')
    return logIn(call, account)
  },
  'auth.sendCode': ({ centre, session, request }) => {
    const phone = (request.phone_number as string).replace(/\D/g, '')
    if (!/^\d{5,15}$/.test(phone)) throw badRequest('PHONE_NUMBER_INVALID')
    const account = centre.phones.accountOf(phone)
    atHome(centre, account, 'PHONE')
    const hash = randomBytes(9).toString('base64url')
    const code = String(10_000 + (randomBytes(4).readUInt32LE() % 90_000))
    const sent: SentCode = { account, phone, code, until: centre.now() + CODE_HOLDS }
    const { sentCodes } = session.key.lasting
    sentCodes.set(hash, sent)
    // Only the latest ones are kept if a client asks again and again.
    keepLatest(sentCodes, MOST_CODES)
    centre.phones.sent(phone, code)
    return {
      _: 'auth.sentCode',
      type: { _: 'auth.sentCodeTypeApp', length: code.length },
      phone_code_hash: hash,
    }
  },
  'auth.signIn': (call) => {
    const { lasting } = call.session.key
    const sent = lasting.sentCodes.get(call.request.phone_code_hash as string)
    const { phone_code: code = '' } = call.request as { readonly phone_code?: string }
    const phone = (call.request.phone_number as string).replace(/\D/g, '')
    // A code is valid only for the number that it was sent to.
    if (sent === undefined || sent.phone !== phone || call.centre.now() >= sent.until)
      throw badRequest('PHONE_CODE_EXPIRED')
    if (code === '') throw badRequest('PHONE_CODE_EMPTY')
    if (sent.code !== code) throw badRequest('PHONE_CODE_INVALID')
    if (sent.account === undefined) return { _: 'auth.authorizationSignUpRequired' }
    lasting.sentCodes.delete(call.request.phone_code_hash as string)
    if (call.centre.passwords.has(sent.account)) {
      lasting.passwordNeededFor = sent.account
      throw new RpcError(401, 'SESSION_PASSWORD_NEEDED')
    }
    return logIn(call, sent.account)
  },
  'account.getPassword': ({ centre, session }) => {
    const { lasting } = session.key
    const account = lasting.passwordNeededFor ?? lasting.account
    if (account === undefined) throw new RpcError(401, 'AUTH_KEY_UNREGISTERED')
    return centre.passwords.challenge(account)
  },
  'auth.checkPassword': (call) => {
    const account = call.session.key.lasting.passwordNeededFor
    if (account === undefined) throw badRequest('PASSWORD_NOT_NEEDED')
    call.centre.passwords.check(account, call.request.password as TlObject)
    return logIn(call, account)
  },
} as const satisfies Record<string, Method>

export const LOG_OUT = {
  'auth.logOut': ({ session }) => {
    session.unsubscribe?.()
    session.unsubscribe = undefined
    session.key.lasting.account = undefined
    return { _: 'auth.loggedOut' }
  },
} as const satisfies Record<string, AccountMethod>

/**
 * Redirects log-ins to the account's data centre, and new accounts to that of their network
 * (https://core.telegram.org/api/datacenter).
 */
function atHome(centre: DataCentre, account: Account | undefined, what: 'PHONE' | 'USER'): void {
  const { centres, dc } = centre
  if (account === undefined) {
    if (centres.network !== undefined && centres.network !== dc) throw migrate('NETWORK', centres.network)
    return
  }
  const home = centres.homeOf(account)
  if (home !== dc) throw migrate(what, home)
}

/** Logs the account in with the session's key. */
export function logIn({ centre, session }: Call, account: Account): TlObject {
  const { lasting } = session.key
  lasting.sentCodes.clear()
  lasting.passwordNeededFor = undefined
  lasting.account = account
  lasting.loggedInAt = centre.now()
  if (session.wantsUpdates) centre.view.subscriptions.subscribe(session, account)
  return { _: 'auth.authorization', user: centre.view.describer.user(account, account.user) }
}
