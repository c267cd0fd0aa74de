import type { TelegramClient } from '@mtcute/core/client.js'
import type { Bot, Context } from 'grammy'
import { quietTimers, systemClock } from '../../core/clock.js'
import { type Duration, parseDuration } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { AccountCalls } from './account-calls.js'
import type { Caller } from './calls/caller.js'
import { type Profile, profileOf } from './calls/peers.js'
import type { MtprotoCounts, MtprotoWatcher } from './calls/traffic.js'
import { Connection } from './connection.js'
import { type Dossier, dossierOf } from './dossier.js'
import { memberIn } from './lists/member.js'
import { type Member, type MembersOptions, membersOf } from './lists/members.js'
import { type HistoryMessage, type HistoryOptions, historyOf, type Purged, purge } from './messages.js'
import { type MtprotoOptions, type ReadOptions, readOptions } from './options.js'
import { logInPerson, type PersonLogin } from './sessions/login.js'
import type { QrLogin } from './sessions/login-qr.js'
import { readSession, type SessionFormat } from './sessions/session-strings.js'

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
  readonly #connection: Connection

  /** @internal */
  constructor(options: MtprotoOptions) {
    super()
    this.#options = readOptions(options)
    this.#connection = new Connection(this.#options, () => this.closeFiles())
  }

  /**
   * Loads the protocol, takes the session, connects and logs in. Every other method does so by itself. Where there is no server it waits
   * until there is one, or `close()` ends the waiting.
   *
   * @throws SentinelError `mtproto.missing` when the three optional packages are not installed; `mtproto.session` when another
   * process uses the session; `mtproto.refused` when Telegram does not let us in.
   */
  async connect(): Promise<Profile> {
    const caller = await this.reach()
    const [me] = await caller.call({ _: 'users.getUsers', id: [{ _: 'inputUserSelf' }] })
    if (me?._ !== 'user')
      throw new SentinelError('mtproto.session', 'mtproto: Telegram does not say who we are. Log in.')
    await this.#connection.isUs(me)
    return profileOf(me)
  }

  /**
   * Logs a person in: a code comes to their phone, and their second password is asked for if they have one. Once is enough, for the
   * session is kept.
   *
   * @throws SentinelError `mtproto.refused`, with `PHONE_CODE_INVALID` or `PASSWORD_HASH_INVALID` where what was given is wrong.
   */
  async logIn(person: PersonLogin): Promise<Profile> {
    const { client } = await this.reach()
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
    const { caller, running } = await this.#connection.lasting()
    const { logInByQr } = await import('./sessions/login-qr.js')
    const { apiId, apiHash } = this.#options
    await logInByQr(caller, running.opened, login, {
      apiId,
      apiHash,
      clock: systemClock,
      timers: quietTimers,
    })
    return this.connect()
  }

  /** Members of a supergroup or channel, those who came last first. See {@link MembersOptions}. */
  async *members(chat: number | string, options?: MembersOptions): AsyncGenerator<Member, void, undefined> {
    yield* membersOf(await this.reach(), chat, options)
  }

  /**
   * How somebody stands in a supergroup or channel; undefined for whoever never was there.
   *
   * @throws SentinelError `mtproto.refused`.
   */
  async member(chat: number | string, user: number | string): Promise<Member | undefined> {
    return memberIn(await this.reach(), chat, user)
  }

  /**
   * What is known of a user the account has met.
   *
   * @throws SentinelError `mtproto.refused`.
   */
  async dossier(user: number | string): Promise<Dossier> {
    return dossierOf(await this.reach(), user, systemClock())
  }

  /**
   * Who has a username: the number of a user, or of a chat as the Bot API has it. Telegram allows few of these a day, so each is remembered
   * for a day in the storage, unless somebody else is seen with it; that nobody has a name for an hour. `counts()` tells how many are left.
   *
   * @throws SentinelError `mtproto.refused`, with `USERNAME_NOT_OCCUPIED` where nobody has it; `mtproto.flood` where `namesPerDay` were asked for.
   */
  async resolve(username: string): Promise<number> {
    return (await this.reach()).nameOf(username)
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
    return this.#connection.flood.withPatience(parseDuration(patience, 'withPatience()'), work)
  }

  /** Messages of a supergroup or channel, newest first. See {@link HistoryOptions}. */
  async *history(
    chat: number | string,
    options?: HistoryOptions,
  ): AsyncGenerator<HistoryMessage, void, undefined> {
    yield* historyOf(await this.reach(), chat, options)
  }

  /** Deletes all that a user wrote in a chat, in the way the account may. */
  async purge(chat: number | string, user: number | string, options?: HistoryOptions): Promise<Purged> {
    return purge(await this.reach(), chat, user, options)
  }

  /**
   * Hands updates that come by MTProto to a bot, as updates of the Bot API: the same guards and handlers get them. Messages with their
   * files, edits, posts, members, join requests, taps, inline queries, reactions and polls are told. Do not poll for the same bot at the
   * same time, or it gets everything twice. Resolves once updates flow; those that came while nobody listened are fetched first. What was
   * not handled when the process died comes again.
   *
   * @throws SentinelError `mtproto.session` where the client is bridged to a bot already, or closed meanwhile. What failed may be tried again.
   */
  async bridge<C extends Context>(bot: Pick<Bot<C>, 'handleUpdate' | 'init' | 'botInfo'>): Promise<void> {
    await this.#connection.lasting()
    await bot.init()
    // Once more: whoever closes does not wait for that.
    const { caller, running } = await this.#connection.lasting()
    const { bridging, opened, storage } = running
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
    const { failures } = this.#connection
    failures.add(listener)
    return () => failures.delete(listener)
  }

  /** Lets somebody watch calls, waits and gaps from now on: `metrics()` and `tracing()` do. The returned function stops it. */
  watch(watch: MtprotoWatcher): () => void {
    const { watches } = this.#connection.traffic
    watches.add(watch)
    return () => watches.delete(watch)
  }

  /** What it has done so far. */
  counts(): MtprotoCounts {
    const { traffic, flood, gaps, running, names } = this.#connection
    const { calls, errors, connections, bytesIn, bytesOut, tooLong } = traffic
    const { count, ms } = flood.waited
    return {
      calls,
      errors: Object.fromEntries(errors),
      connections,
      bytesIn,
      bytesOut,
      waits: count,
      waitedMs: ms,
      tooLong,
      gaps: gaps.count,
      recoveryMs: gaps.recoveryMs,
      handling: running?.bridging.open ?? 0,
      names: names?.quota ?? { asked: 0, left: this.#options.namesPerDay },
      waiting: flood.waiting,
    }
  }

  /**
   * The session as one string, which logs in as you wherever it is: keep it as you keep a password. For mtcute (and us), Telethon 1 or
   * Pyrogram 2. Two clients must not use one session at once.
   *
   * @throws SentinelError `mtproto.session` where nobody has logged in.
   */
  async exportSession(format: SessionFormat = 'mtcute'): Promise<string> {
    const { client } = await this.reach()
    return (await import('./sessions/session-moves.js')).exportSession(client, format, this.#options)
  }

  /**
   * Goes on with a session that mtcute, Telethon 1, Pyrogram or GramJS has exported, in place of the one that is kept. Before anything
   * else is asked of the client. What was kept of another account is forgotten, and of any where the string does not say whose it is.
   *
   * @throws SentinelError `mtproto.session` for what is no session string, and where the client is connected already.
   */
  async importSession(session: string): Promise<Profile> {
    readSession(session)
    if (this.#connection.isUsed) {
      throw new SentinelError(
        'mtproto.session',
        'mtproto: the client uses a session already. Close it, and import into a new one.',
      )
    }
    this.#connection.imported = session
    return this.connect()
  }

  /** mtcute's own client, for what is not here: its types and its promises, not ours. */
  async raw(): Promise<TelegramClient> {
    return (await this.reach()).client
  }

  /**
   * Disconnects and lets the session go. Handlers under way have ten seconds, and the client meanwhile; whatever takes longer comes again with
   * the next start. A server or a storage that hangs is waited for some seconds, then told of by {@link MtprotoClient.onError}. Whoever calls it again
   * waits for the same. A storage that was given stays open.
   */
  close(): Promise<void> {
    return this.#connection.close()
  }

  protected override reach(): Promise<Caller> {
    return this.#connection.caller()
  }

  protected override get dialling() {
    return { apiId: this.#options.apiId, traffic: this.#connection.traffic }
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
