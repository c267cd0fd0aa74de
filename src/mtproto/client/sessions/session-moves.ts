import { SentinelError } from '../../../core/errors.js'
import type { Caller } from '../calls/caller.js'
import { reasonOf } from '../calls/refusal.js'
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
 * Replaces the stored session; must run before connecting. Stored data of another account is deleted: its update positions, known
 * peers and access hashes are useless to this one.
 *
 * @throws SentinelError `mtproto.session` for an invalid string, or for a session that cannot be used here.
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
      'mtproto: that session is of the test servers of Telegram, which do not know your account. Log in again.',
    )
  }
  const { host, port } = addressIn(session, server)
  const dc = { id: session.dc, ipAddress: host, port, ...(host.includes(':') && { ipv6: true }) }
  const self = session.self === undefined ? null : { ...session.self, isPremium: false, usernames: [] }
  const kept = await base.storage.self.fetch()
  // Some session formats do not name the account.
  if (self === null || kept?.userId !== self.userId) {
    await storage.clear()
    // mtcute caches the account it has read, and `importSession` does not overwrite it with null.
    await base.storage.self.store(self)
  }
  await base.importSession({ primaryDcs: { main: dc, media: dc }, authKey: session.key, self }, true)
}

function addressIn(
  session: SessionParts,
  server: ReadOptions['server'],
): { readonly host: string; readonly port: number } {
  // The address of an own server may have changed since the export.
  if (server !== undefined) return server
  const address = session.address ?? addressOf(session.dc)
  if (address !== undefined) return address
  throw new SentinelError(
    'mtproto.session',
    `mtproto: that session names data centre ${session.dc}, which does not exist.`,
  )
}

/**
 * Writes the session as a string in the given format.
 *
 * @throws SentinelError `mtproto.session` if nobody has logged in.
 */
export async function exportSession(
  caller: Caller,
  format: SessionFormat,
  { apiId }: Pick<ReadOptions, 'apiId'>,
): Promise<string> {
  // A session imported from some formats does not name its account yet, and before the first call there may be no auth key.
  const self = (await caller.client.storage.self.fetch()) ?? (await selfOf(caller))
  return writeSession(format, { ...readSession(await caller.client.exportSession()), self }, apiId)
}

async function selfOf(caller: Caller): Promise<NonNullable<SessionParts['self']>> {
  try {
    const [me] = await caller.call({ _: 'users.getUsers', id: [{ _: 'inputUserSelf' }] })
    if (me?._ === 'user') return { userId: me.id, isBot: me.bot === true }
  } catch (error) {
    if (reasonOf(error) !== 'AUTH_KEY_UNREGISTERED') throw error
  }
  throw new SentinelError(
    'mtproto.session',
    'mtproto: nobody has logged in with this client, so there is no session to export. Log in first.',
  )
}
