import type { MtprotoServer } from '../server.js'
import type { CdnRedirects } from './redirects.js'

/**
 * Options of a CDN data centre.
 *
 * @example
 * ```ts
 * import { type NewCdn, startTelegram } from 'grammy-sentinel/testing'
 *
 * const largeOnes: NewCdn = { from: 1024 * 1024 }
 * const telegram = await startTelegram()
 * const cdn = await (await telegram.mtproto()).cdn(largeOnes)
 * console.log(cdn.counts.parts) // 0
 * await telegram.close()
 * ```
 */
export interface NewCdn {
  /** Number of the data centre. Default: 203. */
  readonly dc?: number
  /** Minimum size, in bytes, of files served by the CDN. Default: 0, all files. */
  readonly from?: number
}

/**
 * A CDN data centre, which third parties run for Telegram to serve large files (https://core.telegram.org/cdn). Created by
 * `cdn()` of {@link TelegramMtproto}. It starts empty, like real ones: files are uploaded to it on demand.
 *
 * @example
 * ```ts
 * import { startTelegram } from 'grammy-sentinel/testing'
 *
 * const telegram = await startTelegram()
 * const cdn = await (await telegram.mtproto()).cdn()
 * cdn.corrupt(1000) // the byte there is served wrong, once
 * await telegram.close()
 * ```
 */
export class TelegramCdn {
  readonly #server: MtprotoServer
  readonly #redirects: CdnRedirects

  /** @internal */
  constructor(server: MtprotoServer, redirects: CdnRedirects) {
    this.#server = server
    this.#redirects = redirects
  }

  /** How often clients were redirected to the CDN, file parts were uploaded to it on demand, and parts were served. */
  get counts(): { readonly redirects: number; readonly reuploads: number; readonly parts: number } {
    return { ...this.#redirects.counts }
  }

  /** Serves a wrong byte at this offset, once, in whichever file is read there. */
  corrupt(offset: number): void {
    this.#redirects.corrupt(offset)
  }

  /** Serves only the first 128 KiB of the part that begins at this offset, once: each piece is valid, but the part is too short. */
  shorten(offset: number): void {
    this.#redirects.shorten(offset)
  }

  /** Drops all files from the CDN's memory: clients get `upload.cdnFileReuploadNeeded`. */
  drop(): void {
    this.#redirects.drop()
  }

  /** Invalidates all file tokens: `FILE_TOKEN_INVALID`. */
  endTokens(): void {
    this.#redirects.endTokens()
  }

  /** Drops all authorization keys, as after a restart: clients must negotiate new ones. */
  forgetKeys(): void {
    for (const key of [...this.#server.keys.all()]) this.#server.sessions.forget(key)
  }

  /** Cuts every connection. */
  cut(): void {
    this.#server.cut()
  }
}
