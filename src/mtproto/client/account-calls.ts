import type { Caller } from './calls/caller.js'
import type { Traffic } from './calls/traffic.js'
import { CdnDataCentres } from './files/cdn/data-centres.js'
import { type DownloadOptions, download } from './files/download.js'
import type { FileOrigin, MtprotoFile } from './files/file.js'
import { type AlbumFile, type SendAlbumOptions, sendAlbum } from './files/send-album.js'
import { type SendFileOptions, type SentFile, sendFile } from './files/send-file.js'
import { type UploadedFile, type UploadOptions, upload } from './files/upload.js'
import type { UploadSource } from './files/upload-source.js'
import { type AdminEvent, type AdminLogOptions, adminLogOf } from './lists/admin-log.js'
import { type AccountSession, endSession, sessionsOf } from './lists/authorizations.js'
import { type Dialog, type DialogsOptions, dialogsOf } from './lists/dialogs.js'
import { type FullChat, fullChatOf } from './lists/full-chat.js'
import { type PhotosOptions, photosOf } from './lists/photos.js'
import { type FoundMessage, type SearchOptions, searchIn } from './lists/search.js'

/** Files, and what an account sees: the part of a client that needs nothing but to ask. */
export abstract class AccountCalls {
  readonly #cdn = new CdnDataCentres(
    () => this.reach(),
    async (at, onLost, signal) =>
      (await import('./files/cdn/client.js')).CdnClient.open(this.dialling, at, onLost, signal),
  )

  /** Whoever asks Telegram, once we are connected. @internal */
  protected abstract reach(): Promise<Caller>

  /** What connections are made with. @internal */
  protected abstract get dialling(): { readonly apiId: number; readonly traffic: Traffic }

  /**
   * Uploads a file of up to 2 GB (4 GB with Premium), some parts at a time, and goes on where a connection broke. See {@link UploadOptions}.
   *
   * @throws SentinelError `mtproto.transfer`, `mtproto.refused`.
   */
  async upload(source: UploadSource, options?: UploadOptions): Promise<UploadedFile> {
    return upload(await this.reach(), source, options)
  }

  /** Sends a file, uploaded already or on the way. See {@link SendFileOptions}; it throws as `upload()` does. */
  async sendFile(
    chat: number | string,
    what: UploadSource | UploadedFile,
    options?: SendFileOptions,
  ): Promise<SentFile> {
    return sendFile(await this.reach(), chat, what, options)
  }

  /**
   * Sends two to ten files as one album; bots get it as messages with one `media_group_id`. See {@link AlbumFile} and
   * {@link SendAlbumOptions}.
   *
   * @returns The messages, in the order of the files.
   * @throws SentinelError as `upload()` does; `mtproto.transfer` for fewer or more files.
   */
  async sendAlbum(
    chat: number | string,
    files: readonly AlbumFile[],
    options?: SendAlbumOptions,
  ): Promise<SentFile[]> {
    return sendAlbum(await this.reach(), chat, files, options)
  }

  /**
   * The bytes of a file, in order: of a message, `{ chat, message }`, or a `file_id` of the Bot API. See {@link DownloadOptions}.
   *
   * @throws SentinelError `mtproto.transfer`, `mtproto.corrupted` where bytes are not what Telegram has, `mtproto.refused`.
   */
  async *download(
    what: MtprotoFile | FileOrigin | string,
    options?: DownloadOptions,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    yield* download(await this.reach(), this.#cdn, what, options)
  }

  /** Photos that somebody shows of themselves, the latest first. */
  async *photos(
    user: number | string,
    options?: PhotosOptions,
  ): AsyncGenerator<MtprotoFile, void, undefined> {
    yield* photosOf(await this.reach(), user, options)
  }

  /** All that is known of a group or channel. */
  async fullChat(chat: number | string): Promise<FullChat> {
    return fullChatOf(await this.reach(), chat)
  }

  /** The chats of a person; bots have no such list. See {@link DialogsOptions}. */
  async *dialogs(options?: DialogsOptions): AsyncGenerator<Dialog, void, undefined> {
    yield* dialogsOf(await this.reach(), options)
  }

  /** Messages by their words, author, time and what they show. For people. See {@link SearchOptions}. */
  async *search(options: SearchOptions): AsyncGenerator<FoundMessage, void, undefined> {
    yield* searchIn(await this.reach(), options)
  }

  /** What administrators did within the last two days. For people. See {@link AdminLogOptions}. */
  async *adminLog(
    chat: number | string,
    options?: AdminLogOptions,
  ): AsyncGenerator<AdminEvent, void, undefined> {
    yield* adminLogOf(await this.reach(), chat, options)
  }

  /** Where a person is logged in. */
  async sessions(): Promise<readonly AccountSession[]> {
    return sessionsOf(await this.reach())
  }

  /** Logs a person out elsewhere: `id` as {@link AccountCalls.sessions} tells it. */
  async endSession(id: string): Promise<void> {
    return endSession(await this.reach(), id)
  }

  /** Leaves the data centres of others. @internal */
  protected closeFiles(): Promise<void> {
    return this.#cdn.close()
  }
}
