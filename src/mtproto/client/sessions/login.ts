import type { TelegramClient } from '@mtcute/core/client.js'
import { MtprotoRefusal } from '../calls/refusal.js'

/**
 * How a person logs in.
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
  /** With the country's code. */
  readonly phone: string
  /** Asked once the code was sent. */
  readonly code: () => Promise<string> | string
  /** Asked if there is a second password, with its hint. */
  readonly password?: (hint: string) => Promise<string> | string
}

export async function logInPerson(
  client: TelegramClient,
  { phone, code, password }: PersonLogin,
): Promise<void> {
  try {
    const sent = await client.sendCode({ phone })
    // Somebody who logged out a moment ago needs no code.
    if (!('phoneCodeHash' in sent)) return
    await client.signIn({ phone, phoneCodeHash: sent.phoneCodeHash, phoneCode: await code() })
  } catch (error) {
    const reason = Object(error).text
    if (reason === 'SESSION_PASSWORD_NEEDED' && password !== undefined) await checkPassword(client, password)
    else throw typeof reason === 'string' ? new MtprotoRefusal('auth.signIn', reason) : error
  } finally {
    // Logging in lets updates flow; they wait until somebody listens.
    await client.stopUpdatesLoop()
  }
}

/** Proves the second password, by SRP. */
export async function checkPassword(
  client: TelegramClient,
  password: NonNullable<PersonLogin['password']>,
): Promise<void> {
  try {
    const { hint = '' } = await client.call({ _: 'account.getPassword' })
    await client.checkPassword({ password: await password(hint) })
  } catch (error) {
    const reason = Object(error).text
    throw typeof reason === 'string' ? new MtprotoRefusal('auth.checkPassword', reason) : error
  }
}
