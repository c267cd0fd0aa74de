import type { tl } from '@mtcute/core'
import type { Clock, Timers } from '../../../core/clock.js'
import type { Ms } from '../../../core/duration.js'
import type { Caller } from '../calls/caller.js'
import { reasonOf } from '../calls/refusal.js'
import { loggedIn, type Opened } from '../mtcute.js'
import { checkPassword, type PersonLogin } from './login.js'

/**
 * How somebody logs in with a phone that has: it scans a code, and confirms.
 *
 * @example
 * ```ts
 * import { mtproto, type QrLogin } from 'grammy-sentinel/mtproto'
 *
 * declare function draw(text: string): void
 * const login: QrLogin = { onUrl: (url) => draw(url), signal: AbortSignal.timeout(300_000) }
 * const profile = await mtproto({ apiId: 12345, apiHash: 'hash' }).logInByQr(login)
 * ```
 */
export interface QrLogin {
  /**
   * Told what to show as a QR code, such as `tg://login?token=…`, and until when it holds, in milliseconds since 1970. Told again when that
   * has passed, after half a minute or so.
   */
  readonly onUrl: (url: string, expiresAt: Ms) => void
  /** Asked if there is a second password, with its hint. */
  readonly password?: PersonLogin['password']
  /** Ends the waiting. @default waits until somebody has scanned */
  readonly signal?: AbortSignal
}

/** What the waiting goes by. */
export interface QrParts {
  readonly apiId: number
  readonly apiHash: string
  readonly clock: Clock
  readonly timers: Timers
}

/** A clock that is ahead of Telegram's must not make it ask without end. */
const LEAST: Ms = 1000

/**
 * Logs in by QR code (https://core.telegram.org/api/qr-login): asks for a token, shows it, and asks again when it was scanned or has
 * expired.
 */
export async function logInByQr(
  caller: Caller,
  opened: Opened,
  { onUrl, password, signal }: QrLogin,
  { apiId, apiHash, clock, timers }: QrParts,
): Promise<void> {
  const { client } = caller
  const scans = new Scans()
  client.onServerUpdate.add(scans.came)
  try {
    let token = await ask()
    for (;;) {
      signal?.throwIfAborted()
      if (token._ === 'auth.loginTokenSuccess') {
        await loggedIn(opened, token.authorization)
        return
      }
      if (token._ === 'auth.loginTokenMigrateTo') {
        await client.changePrimaryDc(token.dcId)
        token = await caller.call({ _: 'auth.importLoginToken', token: token.token })
        continue
      }
      const expiresAt = token.expires * 1000
      onUrl(`tg://login?token=${Buffer.from(token.token).toString('base64url')}`, expiresAt)
      await scans.next(Math.max(LEAST, expiresAt - clock()), timers, signal)
      token = await ask()
    }
  } catch (error) {
    if (reasonOf(error) !== 'SESSION_PASSWORD_NEEDED' || password === undefined) throw error
    await checkPassword(client, password)
  } finally {
    client.onServerUpdate.remove(scans.came)
    // Logging in lets updates flow; they wait until somebody listens.
    await client.stopUpdatesLoop()
  }

  function ask(): Promise<tl.auth.TypeLoginToken> {
    scans.asked()
    return caller.call({ _: 'auth.exportLoginToken', apiId, apiHash, exceptIds: [] }, { signal })
  }
}

/** That a code was scanned: it may be told before we wait for it. */
class Scans {
  #scanned = false
  #wake: (() => void) | undefined

  readonly came = (update: tl.TypeUpdates): void => {
    if (update._ !== 'updateShort' || update.update._ !== 'updateLoginToken') return
    this.#scanned = true
    this.#wake?.()
  }

  asked(): void {
    this.#scanned = false
  }

  /** Resolves when it was scanned, or after so long. */
  async next(ms: Ms, timers: Timers, signal: AbortSignal | undefined): Promise<void> {
    let callOff: (() => void) | undefined
    await new Promise<void>((done) => {
      this.#wake = done
      callOff = timers.after(ms, done)
      signal?.addEventListener('abort', () => done(), { once: true })
      if (this.#scanned || signal?.aborted === true) done()
    })
    this.#wake = undefined
    callOff?.()
    signal?.throwIfAborted()
  }
}
