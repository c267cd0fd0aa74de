import { randomBytes } from 'node:crypto'
import type { Ms } from '../../../core/duration.js'
import { keepLatest } from '../../../core/maps.js'
import type { Account } from '../../world/accounts.js'
import { badRequest } from '../rpc-error.js'
import type { ClientSession } from '../sessions/client-session.js'

/** "will expire in 30 seconds" (https://core.telegram.org/api/qr-login). */
const HOLDS: Ms = 30_000
/** Maximum number of tokens, for clients that show one and disappear. */
const MOST = 1000

/** The content of a login QR code. */
export interface LoginToken {
  readonly token: Buffer
  readonly session: ClientSession
  readonly until: Ms
  /** The account that scanned the code; undefined until then. */
  account: Account | undefined
}

/** Log-ins by QR code (https://core.telegram.org/api/qr-login). */
export class LoginTokens {
  readonly #tokens = new Map<string, LoginToken>()

  /** Creates a token for a client; its earlier tokens remain valid until they expire. */
  export(session: ClientSession, now: Ms): LoginToken {
    const made: LoginToken = { token: randomBytes(24), session, until: now + HOLDS, account: undefined }
    this.#tokens.set(made.token.toString('hex'), made)
    keepLatest(this.#tokens, MOST)
    return made
  }

  /** Returns the client's token that was scanned, if any. */
  accepted(session: ClientSession): LoginToken | undefined {
    const key = session.key.lasting
    for (const each of this.#tokens.values()) {
      if (each.account !== undefined && each.session.key.lasting === key) return each
    }
    return undefined
  }

  /** Finds a token for a client that was redirected to another data centre. */
  import(bytes: Uint8Array, now: Ms): LoginToken {
    const found = this.#find(bytes)
    if (found.account === undefined && found.until <= now) throw badRequest('AUTH_TOKEN_EXPIRED')
    return found
  }

  /** Accepts a token for the account that scanned it, and notifies the client that shows it. */
  accept(bytes: Uint8Array, account: Account, now: Ms): LoginToken {
    const found = this.#find(bytes)
    if (found.account !== undefined) throw badRequest('AUTH_TOKEN_ALREADY_ACCEPTED')
    if (found.until <= now) throw badRequest('AUTH_TOKEN_EXPIRED')
    found.account = account
    const date = Math.floor(now / 1000)
    found.session.send({ _: 'updateShort', update: { _: 'updateLoginToken' }, date })
    return found
  }

  /** Removes a token that was used. */
  spend({ token }: LoginToken): void {
    this.#tokens.delete(token.toString('hex'))
  }

  #find(bytes: Uint8Array): LoginToken {
    const found = this.#tokens.get(Buffer.from(bytes).toString('hex'))
    if (found === undefined) throw badRequest('AUTH_TOKEN_INVALID')
    return found
  }
}
