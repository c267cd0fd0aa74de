import type { AccountMethod, Method } from '../call.js'
import { badRequest } from '../rpc-error.js'

/** Transfers authorizations to other data centres (https://core.telegram.org/api/datacenter#authorization-transfer). */
export const AUTHORIZATION_IMPORT = {
  'auth.importAuthorization': ({ centre, session, request }) => {
    const account = centre.centres.import(request.bytes as Buffer, request.id as bigint, centre.dc)
    if (account === undefined) throw badRequest('AUTH_BYTES_INVALID')
    session.key.lasting.account = account
    return { _: 'auth.authorization', user: centre.view.describer.user(account, account.user) }
  },
} as const satisfies Record<string, Method>

export const AUTHORIZATION_EXPORT = {
  'auth.exportAuthorization': ({ centre, account, request }) => {
    const dc = request.dc_id as number
    // Not needed for the client's own data centre.
    if (dc === centre.dc || centre.centres.find(dc) === undefined) throw badRequest('DC_ID_INVALID')
    const bytes = centre.centres.export(account, dc)
    return { _: 'auth.exportedAuthorization', id: BigInt(account.id), bytes }
  },
} as const satisfies Record<string, AccountMethod>
