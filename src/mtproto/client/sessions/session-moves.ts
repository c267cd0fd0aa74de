import type { TelegramClient } from '@mtcute/core/client.js'
import { SentinelError } from '../../../core/errors.js'
import type { Opened } from '../mtcute.js'
import type { ReadOptions } from '../options.js'
import type { SessionStorage } from './session-storage.js'
import {
  addressOf,
  readSession,
  type SessionFormat,
  type SessionParts,
  writeSession,
} from './session-strings.js'

/**
 * Puts a session in place of the one that is kept. Before anything was connected. Of another account nothing is kept: where its updates
 * stood, whom it had met and by which hashes are nothing to this one.
 *
 * @throws SentinelError `mtproto.session` for an invalid string, or one of a session that cannot be used here.
 */
export async function importSession(
  { base }: Pick<Opened, 'base'>,
  storage: Pick<SessionStorage, 'clear'>,
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
  const self = session.self === undefined ? null : { ...session.self, isPremium: false, usernames: [] }
  const kept = await base.storage.self.fetch()
  // Some strings do not say whose they are.
  if (self === null || kept?.userId !== self.userId) {
    await storage.clear()
    // mtcute remembers whom it has read, and writes nobody in place of somebody only if told.
    await base.storage.self.store(self)
  }
  await base.importSession({ primaryDcs: { main: dc, media: dc }, authKey: session.key, self }, true)
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
