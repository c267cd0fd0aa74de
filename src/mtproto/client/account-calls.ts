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

/** The methods for files and lists, which need only a {@link Caller}. */
export abstract class AccountCalls {
  readonly #cdn = new CdnDataCentres(
    () => this.reach(),
    async (at, onLost, signal) =>
      (await import('./files/cdn/client.js')).CdnClient.open(this.dialling, at, onLost, signal),
  )

  /** Resolves with the caller once connected. @internal */
  protected abstract reach(): Promise<Caller>

  /** Parameters for opening connections. @internal */
  protected abstract get dialling(): { readonly apiId: number; readonly traffic: Traffic }

  /**
   * Uploads a file of up to 2 GB (4 GB with Premium), several parts at a time; resumes after a lost connection. See
   * {@link UploadOptions}.
   *
   * @throws SentinelError `mtproto.transfer`, `mtproto.refused`.
   */
  async upload(source: UploadSource, options?: UploadOptions): Promise<UploadedFile> {
    return upload(await this.reach(), source, options)
  }

  /** Sends a file, uploading it if necessary. See {@link SendFileOptions}; throws the same errors as `upload()`. */
  async sendFile(
    chat: number | string,
    what: UploadSource | UploadedFile,
    options?: SendFileOptions,
  ): Promise<SentFile> {
    return sendFile(await this.reach(), chat, what, options)
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
    return sendAlbum(await this.reach(), chat, files, options)
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
    yield* download(await this.reach(), this.#cdn, what, options)
  }

  /** Yields the profile photos of a user, latest first. */
  async *photos(
    user: number | string,
    options?: PhotosOptions,
  ): AsyncGenerator<MtprotoFile, void, undefined> {
    yield* photosOf(await this.reach(), user, options)
  }

  /** Returns the full description of a group or channel. */
  async fullChat(chat: number | string): Promise<FullChat> {
    return fullChatOf(await this.reach(), chat)
  }

  /** Yields the chats of a person's account; not available to bots. See {@link DialogsOptions}. */
  async *dialogs(options?: DialogsOptions): AsyncGenerator<Dialog, void, undefined> {
    yield* dialogsOf(await this.reach(), options)
  }

  /** Searches messages by words, author, time and kind of media. For people's accounts only. See {@link SearchOptions}. */
  async *search(options: SearchOptions): AsyncGenerator<FoundMessage, void, undefined> {
    yield* searchIn(await this.reach(), options)
  }

  /** Yields what administrators did in the last two days. For people's accounts only. See {@link AdminLogOptions}. */
  async *adminLog(
    chat: number | string,
    options?: AdminLogOptions,
  ): AsyncGenerator<AdminEvent, void, undefined> {
    yield* adminLogOf(await this.reach(), chat, options)
  }

  /** Returns the active sessions of a person's account. */
  async sessions(): Promise<readonly AccountSession[]> {
    return sessionsOf(await this.reach())
  }

  /** Ends another session of a person's account, given the `id` from {@link AccountCalls.sessions}. */
  async endSession(id: string): Promise<void> {
    return endSession(await this.reach(), id)
  }

  /** Disconnects from CDN data centres. @internal */
  protected closeFiles(): Promise<void> {
    return this.#cdn.close()
  }
}
