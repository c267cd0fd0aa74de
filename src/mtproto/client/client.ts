import type { TelegramClient } from '@mtcute/core/client.js'
import type { Bot, Context } from 'grammy'
import { quietTimers, systemClock } from '../../core/clock.js'
import { type Duration, parseDuration } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { isMissing, peerSpec } from '../../core/peer.js'
import { memory } from '../../storage/memory/memory.js'
import type { Storage } from '../../storage/storage.js'
import { AccountCalls } from './account-calls.js'
import { Caller } from './calls/caller.js'
import { FloodControl } from './calls/flood.js'
import type { Names } from './calls/names.js'
import { type Profile, profileOf } from './calls/peers.js'
import { permissionsWith } from './calls/permissions.js'
import { type MtprotoCounts, type MtprotoWatcher, Traffic } from './calls/traffic.js'
import { type Dossier, dossierOf } from './dossier.js'
import { memberIn } from './lists/member.js'
import { type Member, type MembersOptions, membersOf } from './lists/members.js'
import { type HistoryMessage, type HistoryOptions, historyOf, type Purged, purge } from './messages.js'
import type { Opened } from './mtcute.js'
import { type MtprotoOptions, type ReadOptions, readOptions } from './options.js'
import { logInPerson, type PersonLogin } from './sessions/login.js'
import type { QrLogin } from './sessions/login-qr.js'
import type { SessionLease } from './sessions/session-lease.js'
import type { SessionStorage } from './sessions/session-storage.js'
import { readSession, type SessionFormat } from './sessions/session-strings.js'
import type { Bridging } from './updates/bridging.js'
import { Gaps } from './updates/gaps.js'

/** How long a process that was killed keeps the next one out; a little more than its lease. */
const LEASE_PATIENCE = 40_000

const PEERS = ['@mtcute/core', '@mtcute/wasm', '@fuman/node'] as const

/** What stands while it is connected. */
interface Running {
  readonly opened: Opened
  readonly bridging: Bridging
  readonly storage: SessionStorage
}

/** What listeners of {@link MtprotoClient.bridge} may be told. */
type Failed = (error: unknown) => void

/**
 * A client of Telegram's own protocol: what the Bot API cannot tell. Made by {@link mtproto}; nothing is loaded and nobody is called
 * before its first use.
 *
 * @example
 * ```ts
 * import { type MtprotoClient, mtproto } from 'grammy-sentinel/mtproto'
 *
 * async function newest(client: MtprotoClient, chat: number): Promise<string[]> {
 *   const names: string[] = []
 *   for await (const { user, joinedAt = 0 } of client.members(chat)) {
 *     if (Date.now() - joinedAt < 86_400_000) names.push(user.firstName)
 *   }
 *   return names
 * }
 * const names = await newest(mtproto({ apiId: 1, apiHash: 'hash', botToken: '123:token' }), -1001234567890)
 * ```
 */
export class MtprotoClient extends AccountCalls {
  readonly #options: ReadOptions
  readonly #storage: Storage
  readonly #traffic = new Traffic()
  readonly #flood: FloodControl
  readonly #gaps = new Gaps(systemClock, () => {
    this.#traffic.tooLong++
    this.#running?.bridging.accountTooLong()
  })
  readonly #failures = new Set<Failed>()
  #opening: Promise<Caller> | undefined
  #running: Running | undefined
  #endLease: (() => Promise<void>) | undefined
  #names: Names | undefined
  #closed = false
  /** In place of the session that is kept. */
  #imported: string | undefined

  /** @internal */
  constructor(options: MtprotoOptions) {
    super()
    this.#options = readOptions(options)
    this.#storage = this.#options.storage ?? memory()
    const { patience, onWait } = this.#options
    this.#flood = new FloodControl({
      patience,
      onWait: (wait) => {
        try {
          onWait?.(wait)
        } catch (error) {
          this.#failed(error)
        }
        for (const watch of this.#traffic.watches) watch.wait?.(wait)
      },
      now: systemClock,
      timers: quietTimers,
    })
    this.#gaps.onRecovered = (ms, of) => {
      for (const watch of this.#traffic.watches) watch.recovered?.({ of, ms })
    }
  }

  /**
   * Loads the protocol, takes the session, connects and logs in. Every other method does so by itself.
   *
   * @throws SentinelError `mtproto.missing` when the three optional packages are not installed; `mtproto.session` when another
   * process uses the session; `mtproto.refused` when Telegram does not let us in.
   */
  async connect(): Promise<Profile> {
    const caller = await this.#caller()
    const [me] = await caller.call({ _: 'users.getUsers', id: [{ _: 'inputUserSelf' }] })
    if (me?._ !== 'user')
      throw new SentinelError('mtproto.session', 'mtproto: Telegram does not say who we are. Log in.')
    return profileOf(me)
  }

  /**
   * Logs a person in: a code comes to their phone, and their second password is asked for if they have one. Once is enough, for the
   * session is kept.
   *
   * @throws SentinelError `mtproto.refused`, with `PHONE_CODE_INVALID` or `PASSWORD_HASH_INVALID` where what was given is wrong.
   */
  async logIn(person: PersonLogin): Promise<Profile> {
    const { client } = await this.#caller()
    await logInPerson(client, person)
    return this.connect()
  }

  /**
   * Logs a person in with a phone that has logged in already: it scans what `onUrl` is told, as a QR code.
   *
   * @throws SentinelError `mtproto.refused`, with `SESSION_PASSWORD_NEEDED` where there is a second password and none was given; the
   * signal's reason when it ends the waiting.
   */
  async logInByQr(login: QrLogin): Promise<Profile> {
    const caller = await this.#caller()
    const { logInByQr } = await import('./sessions/login-qr.js')
    const { opened } = this.#running as Running
    const { apiId, apiHash } = this.#options
    await logInByQr(caller, opened, login, { apiId, apiHash, clock: systemClock, timers: quietTimers })
    return this.connect()
  }

  /** Members of a supergroup or channel, those who came last first. See {@link MembersOptions}. */
  async *members(chat: number | string, options?: MembersOptions): AsyncGenerator<Member, void, undefined> {
    yield* membersOf(await this.#caller(), chat, options)
  }

  /**
   * How somebody stands in a supergroup or channel; undefined for whoever never was there.
   *
   * @throws SentinelError `mtproto.refused`.
   */
  async member(chat: number | string, user: number | string): Promise<Member | undefined> {
    return memberIn(await this.#caller(), chat, user)
  }

  /**
   * What is known of a user the account has met.
   *
   * @throws SentinelError `mtproto.refused`.
   */
  async dossier(user: number | string): Promise<Dossier> {
    return dossierOf(await this.#caller(), user, systemClock())
  }

  /**
   * Who has a username: the number of a user, or of a chat as the Bot API has it. Telegram allows few of these a day, so each is remembered
   * for a day in the storage, unless somebody else is seen with it; that nobody has a name for an hour. `counts()` tells how many are left.
   *
   * @throws SentinelError `mtproto.refused`, with `USERNAME_NOT_OCCUPIED` where nobody has it; `mtproto.flood` where `namesPerDay` were asked for.
   */
  async resolve(username: string): Promise<number> {
    return (await this.#caller()).nameOf(username)
  }

  /**
   * Has whatever is asked in there wait for so long at most, in place of `patience`.
   *
   * @throws SentinelError `duration.invalid`. Whatever the work rejects with.
   *
   * @example
   * ```ts
   * import type { MtprotoClient, Purged } from 'grammy-sentinel/mtproto'
   *
   * async function patiently(client: MtprotoClient, chat: number, user: number): Promise<Purged> {
   *   return client.withPatience('10m', () => client.purge(chat, user))
   * }
   * ```
   */
  async withPatience<T>(patience: Duration, work: () => Promise<T>): Promise<T> {
    return this.#flood.withPatience(parseDuration(patience, 'withPatience()'), work)
  }

  /** Messages of a supergroup or channel, newest first. See {@link HistoryOptions}. */
  async *history(
    chat: number | string,
    options?: HistoryOptions,
  ): AsyncGenerator<HistoryMessage, void, undefined> {
    yield* historyOf(await this.#caller(), chat, options)
  }

  /** Deletes all that a user wrote in a chat, in the way the account may. */
  async purge(chat: number | string, user: number | string, options?: HistoryOptions): Promise<Purged> {
    return purge(await this.#caller(), chat, user, options)
  }

  /**
   * Hands updates that come by MTProto to a bot, as updates of the Bot API: the same guards and handlers get them. Messages with their
   * files, edits, posts, members, join requests, taps, inline queries, reactions and polls are told. Do not poll for the same bot at the
   * same time, or it gets everything twice. Resolves once updates flow; those that came while nobody listened are fetched first. What was
   * not handled when the process died comes again.
   */
  async bridge<C extends Context>(bot: Pick<Bot<C>, 'handleUpdate' | 'init' | 'botInfo'>): Promise<void> {
    const caller = await this.#caller()
    await bot.init()
    const { bridging, opened, storage } = this.#running as Running
    await bridging.start(
      caller,
      opened,
      (update) => bot.handleUpdate(update),
      bot.botInfo,
      await storage.channels(),
    )
  }

  /** Listens to errors of the connection, and of bridged handlers; the returned function stops it. */
  onError(listener: (error: unknown) => void): () => void {
    this.#failures.add(listener)
    return () => this.#failures.delete(listener)
  }

  /** Lets somebody watch calls, waits and gaps from now on: `metrics()` and `tracing()` do. The returned function stops it. */
  watch(watch: MtprotoWatcher): () => void {
    this.#traffic.watches.add(watch)
    return () => this.#traffic.watches.delete(watch)
  }

  /** What it has done so far. */
  counts(): MtprotoCounts {
    const { calls, errors, connections, bytesIn, bytesOut, tooLong } = this.#traffic
    const { count, ms } = this.#flood.waited
    return {
      calls,
      errors: Object.fromEntries(errors),
      connections,
      bytesIn,
      bytesOut,
      waits: count,
      waitedMs: ms,
      tooLong,
      gaps: this.#gaps.count,
      recoveryMs: this.#gaps.recoveryMs,
      handling: this.#running?.bridging.open ?? 0,
      names: this.#names?.quota ?? { asked: 0, left: this.#options.namesPerDay },
      waiting: this.#flood.waiting,
    }
  }

  /**
   * The session as one string, which logs in as you wherever it is: keep it as you keep a password. For mtcute (and us), Telethon 1 or
   * Pyrogram 2. Two clients must not use one session at once.
   *
   * @throws SentinelError `mtproto.session` where nobody has logged in.
   */
  async exportSession(format: SessionFormat = 'mtcute'): Promise<string> {
    const { client } = await this.#caller()
    return (await import('./sessions/session-moves.js')).exportSession(client, format, this.#options)
  }

  /**
   * Goes on with a session that mtcute, Telethon 1, Pyrogram or GramJS has exported, in place of the one that is kept. Before anything
   * else is asked of the client.
   *
   * @throws SentinelError `mtproto.session` for what is no session string, and where the client is connected already.
   */
  async importSession(session: string): Promise<Profile> {
    readSession(session)
    if (this.#opening !== undefined) {
      throw new SentinelError(
        'mtproto.session',
        'mtproto: the client uses a session already. Close it, and import into a new one.',
      )
    }
    this.#imported = session
    return this.connect()
  }

  /** mtcute's own client, for what is not here: its types and its promises, not ours. */
  async raw(): Promise<TelegramClient> {
    return (await this.#caller()).client
  }

  /** Disconnects and lets the session go. A storage that was given stays open. */
  async close(): Promise<void> {
    this.#closed = true
    this.#flood.close()
    const opening = this.#opening
    this.#opening = undefined
    if (opening === undefined) return
    // Who could not be opened has nothing to close; whoever opened it was told.
    const caller = await opening.catch(() => undefined)
    const running = this.#running
    if (caller !== undefined && running !== undefined) {
      // Nothing new comes, and what came is handled and written down.
      running.bridging.freeze()
      await caller.client.stopUpdatesLoop()
      await running.bridging.end()
    }
    await this.closeFiles()
    await caller?.client.destroy()
    await this.#endLease?.()
  }

  protected override reach(): Promise<Caller> {
    return this.#caller()
  }

  protected override get dialling() {
    return { apiId: this.#options.apiId, traffic: this.#traffic }
  }

  #caller(): Promise<Caller> {
    if (this.#closed) {
      return Promise.reject(
        new SentinelError('mtproto.session', 'mtproto: the client was closed. Make another one.'),
      )
    }
    this.#opening ??= this.#open().catch((error: unknown) => {
      // The next call may try again.
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  async #open(): Promise<Caller> {
    const parts = await load()
    const { name, encryptionKeys, botToken, session, apiId, apiHash, namesPerDay, permissions } =
      this.#options
    await this.#takeSession(parts.SessionLease)
    const storage = new parts.SessionStorage(this.#storage, name, encryptionKeys)
    const bridging = new parts.Bridging({
      storage,
      clock: systemClock,
      failed: (error) => this.#failed(error),
    })
    const names = new parts.Names({
      values: this.#storage.values,
      space: storage.space,
      peers: storage.peers,
      clock: systemClock,
      perDay: namesPerDay,
    })
    this.#names = names
    const opened = parts.newClient({
      options: this.#options,
      onTold: (told) => names.saw(told),
      storage: bridging.storage,
      flood: this.#flood,
      traffic: this.#traffic,
      gaps: this.#gaps,
      onError: (error) => this.#failed(error),
      onTooLong: (channel, newest) => {
        this.#traffic.tooLong++
        bridging.channelTooLong(channel, newest)
      },
    })
    const { client } = opened
    this.#running = { opened, bridging, storage }
    try {
      await storage.reseal()
      const given = this.#imported ?? ((await storage.isThere()) ? undefined : session)
      if (given !== undefined) await parts.importSession(client, given, this.#options)
      this.#imported = undefined
      if (botToken !== undefined) await parts.logInBot(opened, botToken, apiId, apiHash)
      else await client.connect()
      return new Caller(client, names, permissionsWith(permissions))
    } catch (error) {
      await client.destroy()
      await this.#endLease?.()
      throw error
    }
  }

  async #takeSession(Lease: typeof SessionLease): Promise<void> {
    // A memory of our own nobody else can use.
    if (this.#options.storage === undefined) return
    const lease = new Lease(this.#storage, this.#options.name, {
      clock: systemClock,
      timers: quietTimers,
      onLost: (error) => {
        this.#failed(error)
        this.close().catch((failure: unknown) => this.#failed(failure))
      },
    })
    await lease.take(LEASE_PATIENCE)
    this.#endLease = () => lease.end()
  }

  #failed(error: unknown): void {
    for (const listener of [...this.#failures]) listener(error)
  }
}

async function load() {
  try {
    // mtcute first: of modules that are loaded at once, each would begin to load it.
    const { newClient, logInBot } = await import('./mtcute.js')
    const { SessionStorage } = await import('./sessions/session-storage.js')
    const { SessionLease } = await import('./sessions/session-lease.js')
    const { Bridging } = await import('./updates/bridging.js')
    const { importSession } = await import('./sessions/session-moves.js')
    const { Names } = await import('./calls/names.js')
    return { newClient, logInBot, SessionStorage, SessionLease, Bridging, importSession, Names }
  } catch (cause) {
    if (!isMissing(cause, PEERS)) throw cause
    throw new SentinelError(
      'mtproto.missing',
      `mtproto: its packages are not installed. Run \`npm install ${PEERS.map(peerSpec).join(' ')}\`, exactly these versions.`,
      { cause },
    )
  }
}

/**
 * A client of MTProto for a bot or a user: members with the dates they joined, what Telegram thinks of a user, messages by id, all that
 * somebody wrote deleted at once. It needs three optional packages, and loads them with its first use:
 * `npm install @mtcute/core@0.30.3 @mtcute/wasm@0.30.3 @fuman/node@0.0.20`.
 *
 * @throws SentinelError `option.invalid`, `option.unknown`, `duration.invalid`; none tells a secret.
 *
 * @example
 * ```ts
 * import { mtproto } from 'grammy-sentinel/mtproto'
 *
 * const client = mtproto({ apiId: 12345, apiHash: 'hash', botToken: '123:token' })
 * const { profile, age } = await client.dossier(1234567)
 * console.log(profile.isScam, age.atLeast)
 * await client.close()
 * ```
 */
export function mtproto(options: MtprotoOptions): MtprotoClient {
  return new MtprotoClient(options)
}
