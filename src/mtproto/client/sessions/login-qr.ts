import type { tl } from '@mtcute/core'
import { quietTimers, systemClock } from '../../../core/clock.js'
import type { Ms } from '../../../core/duration.js'
import type { Caller } from '../calls/caller.js'
import { reasonOf } from '../calls/refusal.js'
import { loggedIn, type Opened } from '../mtcute.js'
import type { MtprotoOptions } from '../options.js'
import { checkPassword, type PersonLogin } from './login.js'

/**
 * Options of a log-in by QR code.
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
   * Called with a URL to show as a QR code, such as `tg://login?token=…`, and its expiry in milliseconds since 1970. Called again
   * when it has expired, after about half a minute.
   */
  readonly onUrl: (url: string, expiresAt: Ms) => void
  /** Called with the password hint if the account has a two-step verification password. */
  readonly password?: PersonLogin['password']
  /** Aborts the wait. @default waits until the code is scanned */
  readonly signal?: AbortSignal
}

/** Minimum wait, so that a clock ahead of Telegram's does not cause endless requests. */
const LEAST: Ms = 1000

/**
 * Logs in by QR code (https://core.telegram.org/api/qr-login): requests a token, shows it, and requests again once it was scanned
 * or has expired.
 */
export async function logInByQr(
  caller: Caller,
  opened: Opened,
  { onUrl, password, signal }: QrLogin,
  { apiId, apiHash }: Pick<MtprotoOptions, 'apiId' | 'apiHash'>,
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
      await scans.next(Math.max(LEAST, expiresAt - systemClock()), signal)
      token = await ask()
    }
  } catch (error) {
    if (reasonOf(error) !== 'SESSION_PASSWORD_NEEDED' || password === undefined) throw error
    await checkPassword(client, password)
  } finally {
    client.onServerUpdate.remove(scans.came)
    // mtcute starts the updates after a log-in; they must wait until somebody listens.
    await client.stopUpdatesLoop()
  }

  function ask(): Promise<tl.auth.TypeLoginToken> {
    scans.asked()
    return caller.call({ _: 'auth.exportLoginToken', apiId, apiHash, exceptIds: [] }, { signal })
  }
}

/** Remembers that a code was scanned, because the update may arrive before anybody waits for it. */
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

  /** Resolves when the code was scanned, or after `ms`. */
  async next(ms: Ms, signal: AbortSignal | undefined): Promise<void> {
    let wake: () => void = () => undefined
    const woken = new Promise<void>((done) => {
      wake = done
    })
    this.#wake = wake
    const callOff = quietTimers.after(ms, wake)
    signal?.addEventListener('abort', wake)
    if (this.#scanned || signal?.aborted === true) wake()
    await woken
    // Otherwise every code that is shown would leave a listener.
    signal?.removeEventListener('abort', wake)
    this.#wake = undefined
    callOff()
    signal?.throwIfAborted()
  }
}
