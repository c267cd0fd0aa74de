import type { TelegramClient } from '@mtcute/core/client.js'
import { reasonOf, refusedOr } from '../calls/refusal.js'

/**
 * Options of a log-in by phone number.
 *
 * @example
 * ```ts
 * import { mtproto, type PersonLogin } from 'grammy-sentinel/mtproto'
 *
 * declare function ask(what: string): Promise<string>
 * const person: PersonLogin = {
 *   phone: '+491701234567',
 *   code: () => ask('The code on your phone?'),
 *   password: (hint) => ask(`Your password (${hint})?`),
 * }
 * const profile = await mtproto({ apiId: 12345, apiHash: 'hash' }).logIn(person)
 * ```
 */
export interface PersonLogin {
  /** Phone number with country code. */
  readonly phone: string
  /** Called once the code was sent. */
  readonly code: () => Promise<string> | string
  /** Called with the password hint if the account has a two-step verification password. */
  readonly password?: (hint: string) => Promise<string> | string
}

export async function logInPerson(
  client: TelegramClient,
  { phone, code, password }: PersonLogin,
): Promise<void> {
  try {
    const sent = await client.sendCode({ phone })
    // If the account logged out a moment ago, Telegram logs it in without a code.
    if (!('phoneCodeHash' in sent)) return
    await client.signIn({ phone, phoneCodeHash: sent.phoneCodeHash, phoneCode: await code() })
  } catch (error) {
    const refused = refusedOr(error, 'auth.signIn')
    if (reasonOf(refused) !== 'SESSION_PASSWORD_NEEDED' || password === undefined) throw refused
    await checkPassword(client, password)
  } finally {
    // mtcute starts the updates after a log-in; they must wait until somebody listens.
    await client.stopUpdatesLoop()
  }
}

/** Passes two-step verification (SRP). */
export async function checkPassword(
  client: TelegramClient,
  password: NonNullable<PersonLogin['password']>,
): Promise<void> {
  try {
    const { hint = '' } = await client.call({ _: 'account.getPassword' })
    await client.checkPassword({ password: await password(hint) })
  } catch (error) {
    throw refusedOr(error, 'auth.checkPassword')
  }
}
