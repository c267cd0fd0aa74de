import type { MtprotoServer } from '../server.js'
import type { CdnRedirects } from './redirects.js'

/**
 * Which files go to a data centre of others.
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
  /** Its number. Default: 203. */
  readonly dc?: number
  /** Files of at least so many bytes are served there. Default: 0, all. */
  readonly from?: number
}

/**
 * A data centre that Telegram lets others run for large files (https://core.telegram.org/cdn). Made by `cdn()` of the MTProto face; it begins empty, as
 * others do: what is asked for is brought there first.
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

  /** How often clients were sent there, what was asked for was brought there, and a part was served. */
  get counts(): { readonly redirects: number; readonly reuploads: number; readonly parts: number } {
    return { ...this.#redirects.counts }
  }

  /** The byte at this place of whichever file is served wrong, once. */
  corrupt(offset: number): void {
    this.#redirects.corrupt(offset)
  }

  /** Of the part that begins at this place only the first 128 KiB are served, once: every piece is right, and some are missing. */
  shorten(offset: number): void {
    this.#redirects.shorten(offset)
  }

  /** It runs out of memory, and nothing is there any longer: `upload.cdnFileReuploadNeeded`. */
  drop(): void {
    this.#redirects.drop()
  }

  /** What clients were sent there with ends: `FILE_TOKEN_INVALID`. */
  endTokens(): void {
    this.#redirects.endTokens()
  }

  /** It forgets all keys, as if it had begun anew: clients must agree on others. */
  forgetKeys(): void {
    for (const key of [...this.#server.keys.all()]) this.#server.forget(key)
  }

  /** Cuts every connection. */
  cut(): void {
    this.#server.cut()
  }
}
