import type { TelegramClient } from '@mtcute/core/client.js'
import type { Bot, Context } from 'grammy'
import { systemClock } from '../../core/clock.js'
import { type Duration, parseDuration } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { type Profile, profileOf } from './calls/peers.js'
import type { MtprotoCounts, MtprotoWatcher } from './calls/traffic.js'
import { Connection } from './connection.js'
import { type Dossier, dossierOf } from './dossier.js'
import { CdnDataCentres } from './files/cdn/data-centres.js'
import { type DownloadOptions, download } from './files/download.js'
import type { FileOrigin, MtprotoFile } from './files/file.js'
import { type AlbumFile, type SendAlbumOptions, sendAlbum } from './files/send-album.js'
import { type SentFile, sendFile } from './files/send-file.js'
import type { SendFileOptions } from './files/send-options.js'
import { type UploadedFile, type UploadOptions, upload } from './files/upload.js'
import type { UploadSource } from './files/upload-source.js'
import { type AdminEvent, type AdminLogOptions, adminLogOf } from './lists/admin-log.js'
import { type AccountSession, endSession, sessionsOf } from './lists/authorizations.js'
import { type Dialog, type DialogsOptions, dialogsOf } from './lists/dialogs.js'
import { type FullChat, fullChatOf } from './lists/full-chat.js'
import { memberIn } from './lists/member.js'
import { type Member, type MembersOptions, membersOf } from './lists/members.js'
import { type PhotosOptions, photosOf } from './lists/photos.js'
import { type FoundMessage, type SearchOptions, searchIn } from './lists/search.js'
import { type HistoryMessage, type HistoryOptions, historyOf, type Purged, purge } from './messages.js'
import { type MtprotoOptions, type ReadOptions, readOptions } from './options.js'
import { logInPerson, type PersonLogin } from './sessions/login.js'
import type { QrLogin } from './sessions/login-qr.js'
import { readSession, type SessionFormat } from './sessions/session-strings.js'

/**
 * A client of MTProto, Telegram's own protocol, for what the Bot API cannot do. Created by {@link mtproto}; loads nothing and
 * does not connect before its first use.
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
export class MtprotoClient {
  readonly #options: ReadOptions
  readonly #connection: Connection
  readonly #cdn: CdnDataCentres

  /** @internal */
  constructor(options: MtprotoOptions) {
    this.#options = readOptions(options)
    this.#connection = new Connection(this.#options, () => this.#cdn.close())
    const { apiId } = this.#options
    const { traffic } = this.#connection
    this.#cdn = new CdnDataCentres(
      () => this.#connection.caller(),
      async (at, onLost, signal) =>
        (await import('./files/cdn/client.js')).CdnClient.open({ apiId, traffic }, at, onLost, signal),
    )
  }

  /**
   * Loads the packages, takes the session, connects and logs in; every other method does this by itself. While the server cannot
   * be reached, waits until it can, or until `close()`.
   *
   * @throws SentinelError `mtproto.missing` if the three optional packages are not installed; `mtproto.session` if another
   * process uses the session; `mtproto.refused` if Telegram refuses the log-in.
   */
  async connect(): Promise<Profile> {
    const caller = await this.#connection.caller()
    const [me] = await caller.call({ _: 'users.getUsers', id: [{ _: 'inputUserSelf' }] })
    if (me?._ !== 'user')
      throw new SentinelError('mtproto.session', 'mtproto: Telegram does not know this session. Log in.')
    await this.#connection.rememberSelf(me)
    return profileOf(me)
  }

  /**
   * Logs a person in with the code that Telegram sends to their phone, and with their two-step verification password if they have
   * one. Needed only once, because the session is stored.
   *
   * @throws SentinelError `mtproto.refused`, with `PHONE_CODE_INVALID` or `PASSWORD_HASH_INVALID` for wrong input.
   */
  async logIn(person: PersonLogin): Promise<Profile> {
    const { client } = await this.#connection.caller()
    await logInPerson(client, person)
    return this.connect()
  }

  /**
   * Logs a person in by a QR code: show the URL passed to `onUrl` as a QR code, to be scanned with a phone that is logged in.
   *
   * @throws SentinelError `mtproto.refused`, with `SESSION_PASSWORD_NEEDED` if the account has a two-step verification password
   * and none was given; the signal's reason when aborted.
   */
  async logInByQr(login: QrLogin): Promise<Profile> {
    const { caller, running } = await this.#connection.lasting(login.signal)
    const { logInByQr } = await import('./sessions/login-qr.js')
    await logInByQr(caller, running.opened, login, this.#options)
    return this.connect()
  }

  /** Yields the members of a supergroup or channel, most recent joins first. See {@link MembersOptions}. */
  async *members(chat: number | string, options?: MembersOptions): AsyncGenerator<Member, void, undefined> {
    yield* membersOf(await this.#connection.caller(options?.signal), chat, options)
  }

  /**
   * Returns the membership of a user in a supergroup or channel; undefined if they were never in it.
   *
   * @throws SentinelError `mtproto.refused`.
   */
  async member(chat: number | string, user: number | string): Promise<Member | undefined> {
    return memberIn(await this.#connection.caller(), chat, user)
  }

  /**
   * Returns what is known about a user that the account has encountered.
   *
   * @throws SentinelError `mtproto.refused`.
   */
  async dossier(user: number | string): Promise<Dossier> {
    return dossierOf(await this.#connection.caller(), user, systemClock())
  }

  /**
   * Returns the id of the user or chat that has a username, as in the Bot API. Telegram allows few lookups a day, so results are
   * stored for a day, unless the name is seen on another account; that nobody has a name is remembered for an hour. `counts()`
   * tells how many lookups are left.
   *
   * @throws SentinelError `mtproto.refused`, with `USERNAME_NOT_OCCUPIED` if nobody has the name; `mtproto.flood` once
   * `namesPerDay` lookups were made.
   */
  async resolve(username: string): Promise<number> {
    return (await this.#connection.caller()).nameOf(username)
  }

  /**
   * Runs `work` with this limit on waits for FLOOD_WAIT, in place of the option `patience`.
   *
   * @throws SentinelError `duration.invalid`; any error of `work`.
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

  /** Yields messages of a supergroup or channel, newest first. See {@link HistoryOptions}. */
  async *history(
    chat: number | string,
    options?: HistoryOptions,
  ): AsyncGenerator<HistoryMessage, void, undefined> {
    yield* historyOf(await this.#connection.caller(options?.signal), chat, options)
  }

  /** Deletes all messages of a user or channel in a chat, by the method that is open to the account. */
  async purge(chat: number | string, user: number | string, options?: HistoryOptions): Promise<Purged> {
    return purge(await this.#connection.caller(options?.signal), chat, user, options)
  }

  /**
   * Uploads a file of up to 2 GB (4 GB with Premium), several parts at a time; resumes after a lost connection. See
   * {@link UploadOptions}.
   *
   * @throws SentinelError `mtproto.transfer`, `mtproto.refused`.
   */
  async upload(source: UploadSource, options?: UploadOptions): Promise<UploadedFile> {
    return upload(await this.#connection.caller(options?.signal), source, options)
  }

  /** Sends a file, uploading it if necessary. See {@link SendFileOptions}; throws the same errors as `upload()`. */
  async sendFile(
    chat: number | string,
    what: UploadSource | UploadedFile,
    options?: SendFileOptions,
  ): Promise<SentFile> {
    return sendFile(await this.#connection.caller(options?.signal), chat, what, options)
  }

  /**
   * Sends two to ten files as one album, which bots see as messages with a common `media_group_id`. See {@link AlbumFile} and
   * {@link SendAlbumOptions}.
   *
   * @returns The messages, in the order of the files.
   * @throws SentinelError as `upload()` does; `mtproto.transfer` for fewer than two or more than ten files.
   */
  async sendAlbum(
    chat: number | string,
    files: readonly AlbumFile[],
    options?: SendAlbumOptions,
  ): Promise<SentFile[]> {
    return sendAlbum(await this.#connection.caller(options?.signal), chat, files, options)
  }

  /**
   * Downloads a file, yielding its bytes in order: the file of a message, `{ chat, message }`, or a `file_id` of the Bot API. See
   * {@link DownloadOptions}.
   *
   * @throws SentinelError `mtproto.transfer`; `mtproto.corrupted` if the bytes differ from Telegram's file; `mtproto.refused`.
   */
  async *download(
    what: MtprotoFile | FileOrigin | string,
    options?: DownloadOptions,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    yield* download(await this.#connection.caller(options?.signal), this.#cdn, what, options)
  }

  /** Yields the profile photos of a user, latest first. */
  async *photos(
    user: number | string,
    options?: PhotosOptions,
  ): AsyncGenerator<MtprotoFile, void, undefined> {
    yield* photosOf(await this.#connection.caller(options?.signal), user, options)
  }

  /** Returns the full description of a group or channel. */
  async fullChat(chat: number | string): Promise<FullChat> {
    return fullChatOf(await this.#connection.caller(), chat)
  }

  /** Yields the chats of a person's account; not available to bots. See {@link DialogsOptions}. */
  async *dialogs(options?: DialogsOptions): AsyncGenerator<Dialog, void, undefined> {
    yield* dialogsOf(await this.#connection.caller(options?.signal), options)
  }

  /** Searches messages by words, author, time and kind of media. For people's accounts only. See {@link SearchOptions}. */
  async *search(options: SearchOptions): AsyncGenerator<FoundMessage, void, undefined> {
    yield* searchIn(await this.#connection.caller(options.signal), options)
  }

  /** Yields what administrators did in the last two days. For people's accounts only. See {@link AdminLogOptions}. */
  async *adminLog(
    chat: number | string,
    options?: AdminLogOptions,
  ): AsyncGenerator<AdminEvent, void, undefined> {
    yield* adminLogOf(await this.#connection.caller(options?.signal), chat, options)
  }

  /** Returns the active sessions of a person's account. */
  async sessions(): Promise<readonly AccountSession[]> {
    return sessionsOf(await this.#connection.caller())
  }

  /** Ends another session of a person's account, given the `id` from {@link MtprotoClient.sessions}. */
  async endSession(id: string): Promise<void> {
    return endSession(await this.#connection.caller(), id)
  }

  /**
   * Passes updates from MTProto to a bot as updates of the Bot API, to the same guards and handlers. Covers messages with files
   * and the messages they reply to, edits, channel posts, members, join requests, callback and inline queries, reactions and
   * polls. Do not poll for the same bot at the same time, or it gets every update twice. Resolves once updates arrive; those
   * missed while nothing listened are fetched first. Updates not handled when the process died are delivered again.
   *
   * @throws SentinelError `mtproto.session` if the client is already bridged to a bot, or closed meanwhile. After other errors,
   * it can be called again.
   */
  async bridge<C extends Context>(bot: Pick<Bot<C>, 'handleUpdate' | 'init' | 'botInfo'>): Promise<void> {
    await this.#connection.lasting()
    await bot.init()
    // Checked again, because close() may have been called during init().
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

  /** Adds a listener for errors of the connection and of bridged handlers; the returned function removes it. */
  onError(listener: (error: unknown) => void): () => void {
    const { failures } = this.#connection
    failures.add(listener)
    return () => failures.delete(listener)
  }

  /** Adds an observer of calls, waits and gaps, as `metrics()` and `tracing()` do; the returned function removes it. */
  watch(watch: MtprotoWatcher): () => void {
    const { watches } = this.#connection.traffic
    watches.add(watch)
    return () => watches.delete(watch)
  }

  /** Returns the counters so far. */
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
   * Exports the session as a string that logs in as this account anywhere: keep it like a password. Formats: mtcute (also for
   * this package), Telethon 1 or Pyrogram 2. Two clients must not use one session at the same time.
   *
   * @throws SentinelError `mtproto.session` if nobody has logged in.
   */
  async exportSession(format: SessionFormat = 'mtcute'): Promise<string> {
    const caller = await this.#connection.caller()
    return (await import('./sessions/session-moves.js')).exportSession(caller, format, this.#options)
  }

  /**
   * Replaces the stored session by one exported from mtcute, Telethon 1, Pyrogram or GramJS. Must be the first call on the
   * client. Stored data of another account is deleted; if the string does not name its account, all stored data is.
   *
   * @throws SentinelError `mtproto.session` if the string is not a session, or the client is already connected.
   */
  async importSession(session: string): Promise<Profile> {
    readSession(session)
    if (this.#connection.isUsed) {
      throw new SentinelError(
        'mtproto.session',
        'mtproto: the client already has a session. Close it, and import into a new client.',
      )
    }
    this.#connection.imported = session
    return this.connect()
  }

  /** Returns mtcute's own client, for everything else; its API is mtcute's, without guarantees of this package. */
  async raw(): Promise<TelegramClient> {
    return (await this.#connection.caller()).client
  }

  /**
   * Disconnects and releases the session. Running handlers get ten seconds and can use the client meanwhile; updates they do not
   * finish are delivered again after the next start. If the server or storage hangs, closing gives up after some seconds and
   * reports it to {@link MtprotoClient.onError}. Further calls wait for the same closing. A storage passed as an option stays
   * open.
   */
  close(): Promise<void> {
    return this.#connection.close()
  }
}

/**
 * Creates an MTProto client for a bot or a person's account: members with join dates, Telegram's verdict on users, messages by
 * id, deletion of everything a user wrote. Needs three optional packages, loaded on first use:
 * `npm install @mtcute/core@0.30.3 @mtcute/wasm@0.30.3 @fuman/node@0.0.20`.
 *
 * @throws SentinelError `option.invalid`, `option.unknown`, `duration.invalid`; the messages contain no secrets.
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
