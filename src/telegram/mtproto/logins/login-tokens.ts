import { randomBytes } from 'node:crypto'
import type { Ms } from '../../../core/duration.js'
import type { Account } from '../../world/accounts.js'
import { badRequest } from '../rpc-error.js'
import type { Session } from '../sessions/session.js'

/** "will expire in 30 seconds" (https://core.telegram.org/api/qr-login). */
const HOLDS: Ms = 30_000
/** Tokens of clients that show one and go away. */
const MOST = 1000

/** What a client shows as a QR code. */
export interface LoginToken {
  readonly token: Buffer
  readonly session: Session
  readonly until: Ms
  /** Whoever scanned it. */
  account: Account | undefined
}

/** Logins by QR code (https://core.telegram.org/api/qr-login), of all data centres. */
export class LoginTokens {
  readonly #tokens = new Map<string, LoginToken>()

  /** A new one for a client that waits; those it had before hold until they expire. */
  export(session: Session, now: Ms): LoginToken {
    const made: LoginToken = { token: randomBytes(24), session, until: now + HOLDS, account: undefined }
    this.#tokens.set(made.token.toString('hex'), made)
    if (this.#tokens.size > MOST) {
      for (const [oldest] of this.#tokens) {
        this.#tokens.delete(oldest)
        break
      }
    }
    return made
  }

  /** The one of a client that was scanned. */
  accepted(session: Session): LoginToken | undefined {
    const key = session.key.lasting
    for (const each of this.#tokens.values()) {
      if (each.account !== undefined && each.session.key.lasting === key) return each
    }
    return undefined
  }

  /** Takes one for a client in another data centre, to which it was sent. */
  import(bytes: Uint8Array, now: Ms): LoginToken {
    const found = this.#find(bytes)
    if (found.account === undefined && found.until <= now) throw badRequest('AUTH_TOKEN_EXPIRED')
    return found
  }

  /** Somebody scanned it: the client that shows it is told to ask again. */
  accept(bytes: Uint8Array, account: Account, now: Ms): LoginToken {
    const found = this.#find(bytes)
    if (found.account !== undefined) throw badRequest('AUTH_TOKEN_ALREADY_ACCEPTED')
    if (found.until <= now) throw badRequest('AUTH_TOKEN_EXPIRED')
    found.account = account
    const date = Math.floor(now / 1000)
    found.session.send({ _: 'updateShort', update: { _: 'updateLoginToken' }, date })
    return found
  }

  /** One that has let somebody in lets nobody in again. */
  spend({ token }: LoginToken): void {
    this.#tokens.delete(token.toString('hex'))
  }

  #find(bytes: Uint8Array): LoginToken {
    const found = this.#tokens.get(Buffer.from(bytes).toString('hex'))
    if (found === undefined) throw badRequest('AUTH_TOKEN_INVALID')
    return found
  }
}
