import type { TelegramClient } from '@mtcute/core/client.js'
import { SentinelError } from '../../../core/errors.js'
import type { ReadOptions } from '../options.js'
import {
  addressOf,
  readSession,
  type SessionFormat,
  type SessionParts,
  writeSession,
} from './session-strings.js'

/**
 * Puts a session in place of the one that is kept. Before anything was connected.
 *
 * @throws SentinelError `mtproto.session` for a string that is none, or of a session that cannot be used here.
 */
export async function importSession(
  client: TelegramClient,
  text: string,
  { server }: Pick<ReadOptions, 'server'>,
): Promise<void> {
  const session = readSession(text)
  if (session.isTest && server === undefined) {
    throw new SentinelError(
      'mtproto.session',
      'mtproto: that session is of the test servers of Telegram, where nobody knows your account. Log in anew.',
    )
  }
  const { host, port } = addressIn(session, server)
  const dc = { id: session.dc, ipAddress: host, port, ...(host.includes(':') && { ipv6: true }) }
  await client.importSession(
    {
      primaryDcs: { main: dc, media: dc },
      authKey: session.key,
      self: session.self === undefined ? null : { ...session.self, isPremium: false, usernames: [] },
    },
    true,
  )
}

function addressIn(
  session: SessionParts,
  server: ReadOptions['server'],
): { readonly host: string; readonly port: number } {
  // A server of one's own may have moved since.
  if (server !== undefined) return server
  const address = session.address ?? addressOf(session.dc)
  if (address !== undefined) return address
  throw new SentinelError(
    'mtproto.session',
    `mtproto: that session is of data centre ${session.dc}, and there is none.`,
  )
}

/** The session as a string, for the library it is for. */
export async function exportSession(
  client: TelegramClient,
  format: SessionFormat,
  { apiId }: Pick<ReadOptions, 'apiId'>,
): Promise<string> {
  const session = readSession(await client.exportSession())
  if (session.self !== undefined || format === 'telethon') return writeSession(format, session, apiId)
  // Whose it is was not known yet when it came from elsewhere.
  const { id, isBot } = await client.getMe()
  return writeSession(format, { ...session, self: { userId: id, isBot } }, apiId)
}
