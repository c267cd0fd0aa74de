import { createHash, type Hash, randomBytes } from 'node:crypto'
import { SentinelError } from '../../../core/errors.js'
import type { Caller } from '../calls/caller.js'
import { PART, partsOf, type SourcePart, type UploadSource } from './upload-source.js'
import { MOST_ALSO, PartsDigest, type Reached, readToken, tokenOf } from './upload-token.js'

/**
 * Progress of an upload.
 *
 * @example
 * ```ts
 * import type { UploadProgress } from 'grammy-sentinel/mtproto'
 *
 * const line = ({ sent, total }: UploadProgress) => (total === undefined ? `${sent} bytes` : `${Math.floor((100 * sent) / total)} %`)
 * ```
 */
export interface UploadProgress {
  /** Bytes that Telegram has, including those of an earlier run. */
  readonly sent: number
  /** Absent for a stream of unknown size. */
  readonly total?: number
  /** Pass it as `resume` to continue after a crash. Telegram keeps the parts for some hours. */
  readonly token: string
}

/**
 * Options of an upload.
 *
 * @example
 * ```ts
 * import type { UploadOptions } from 'grammy-sentinel/mtproto'
 *
 * const options: UploadOptions = { name: 'backup.tar', size: 1_500_000_000, parallel: 8 }
 * ```
 */
export interface UploadOptions {
  /** File name. Default: the name of a `File`, else `file`. */
  readonly name?: string
  /** Size in bytes, for a stream: it allows checking the length, and without it the last part waits for all others. */
  readonly size?: number
  /** Parts of 512 KiB in flight, and thus in memory: 1 to 16. Default: 4. */
  readonly parallel?: number
  /** The last {@link UploadProgress.token}: parts that Telegram already has are read and compared, but not sent again. */
  readonly resume?: string
  /** Called after each part. */
  readonly onProgress?: (progress: UploadProgress) => void
  readonly signal?: AbortSignal
}

/**
 * A file uploaded to Telegram but not sent yet: plain data, for `sendFile()`. Telegram discards it after some hours.
 *
 * @example
 * ```ts
 * import { type MtprotoClient, type UploadedFile, mtproto } from 'grammy-sentinel/mtproto'
 *
 * async function sendToAll(client: MtprotoClient, file: UploadedFile, chat: number): Promise<void> {
 *   await client.sendFile(chat, file)
 * }
 * ```
 */
export interface UploadedFile {
  /** Id of the upload, in decimal. */
  readonly fileId: string
  readonly parts: number
  readonly size: number
  readonly name: string
  /** True for more than 10 MB, or a stream of unknown size: these use another upload method. */
  readonly isBig: boolean
  /** For files that are not big: MD5, in hexadecimal. */
  readonly md5?: string
  /** MIME type of the source, such as `image/png`. */
  readonly type?: string
}

/** "In case the full size of the file is more than 10 MB" (https://core.telegram.org/api/files#uploading-files). */
const BIG = 10 * 1024 * 1024
/** `upload_max_fileparts_premium`; without Premium, Telegram itself refuses more than half of it. */
const MOST_PARTS = 8000
const MOST_PARALLEL = 16

/**
 * Uploads a file in parts, up to `parallel` at a time, which bounds memory.
 *
 * @throws SentinelError `mtproto.transfer` for a source that is invalid, empty, too large, of another length than stated, or not
 * the one that `resume` belongs to; `mtproto.refused`, for example FILE_PARTS_INVALID; the signal's reason.
 */
export async function upload(
  caller: Caller,
  source: UploadSource,
  options: UploadOptions = {},
): Promise<UploadedFile> {
  return new Upload(caller, source, options).run()
}

class Upload {
  readonly #resumed: Reached | undefined
  /** In decimal. */
  readonly #fileId: string
  readonly #parts: ReturnType<typeof partsOf>
  readonly #isBig: boolean
  readonly #parallel: number
  /** Numbers of confirmed parts behind {@link #done}. */
  readonly #also = new Set<number>()
  readonly #md5: Hash | undefined
  readonly #aborting = new AbortController()
  readonly #reading: AsyncGenerator<SourcePart, void, undefined>
  /** Set once a part has failed or the signal was aborted. */
  #failure: { readonly error: unknown } | undefined
  /** Rejects the current wait. */
  #reject: (error: unknown) => void = () => undefined
  #done = 0
  #sent = 0
  readonly #digest = new PartsDigest()
  /** Digest of the parts covered by `resume` that were read so far, and number of those not read yet. */
  readonly #past = new PartsDigest()
  #unread: number

  constructor(
    private readonly caller: Caller,
    source: UploadSource,
    private readonly options: UploadOptions,
  ) {
    const { size, parallel = 4, resume } = options
    if (!Number.isInteger(parallel) || parallel < 1 || parallel > MOST_PARALLEL) {
      throw wrong(`\`parallel\` is not a whole number from 1 to ${MOST_PARALLEL}`)
    }
    this.#parallel = parallel
    this.#parts = partsOf(source, size)
    this.#reading = this.#parts.parts()
    const known = this.#parts.size
    if (known === 0) throw wrong('the source is empty, and Telegram takes no empty files')
    if (known !== undefined && known > MOST_PARTS * PART) throw wrong('the source is larger than 4 GB')
    this.#isBig = known === undefined || known > BIG
    this.#md5 = this.#isBig ? undefined : createHash('md5')
    this.#resumed = resume === undefined ? undefined : readToken(resume)
    if (this.#resumed !== undefined && this.#resumed.size !== known) {
      throw wrong('its length differs from that of the upload that `resume` continues')
    }
    const { fileId = `${randomBytes(8).readBigInt64LE()}`, done = 0, also = [] } = this.#resumed ?? {}
    this.#unread = done + also.length
    this.#fileId = fileId
  }

  async run(): Promise<UploadedFile> {
    const { signal } = this.options
    signal?.throwIfAborted()
    const abort = () => this.#stop(signal?.reason)
    signal?.addEventListener('abort', abort, { once: true })
    try {
      return await this.#send()
    } catch (error) {
      // Not awaited: a stalled source might never close.
      this.#reading.return().catch(() => undefined)
      throw error
    } finally {
      signal?.removeEventListener('abort', abort)
      // Cancels parts still in flight after a failure.
      this.#aborting.abort()
    }
  }

  /** Reads the next part; rejects if the upload fails meanwhile. */
  async #next(): Promise<SourcePart | undefined> {
    const { done, value } = await this.#unlessStopped(this.#reading.next())
    return done === true ? undefined : value
  }

  #stop(error: unknown): void {
    this.#failure ??= { error }
    this.#reject(this.#failure.error)
  }

  /**
   * Waits for a promise or a failure, one wait at a time. `Promise.race` with one shared failure promise would retain the value
   * of every race, and so every part.
   */
  #unlessStopped<T>(waited: Promise<T>): Promise<T> {
    return new Promise((done, failed) => {
      this.#reject = failed
      if (this.#failure !== undefined) failed(this.#failure.error)
      waited.then(done, failed)
    })
  }

  async #send(): Promise<UploadedFile> {
    const { caller, options } = this
    const long = (await import('@mtcute/core')).Long.fromString(this.#fileId)
    const known = this.#parts.size
    const total = known === undefined ? -1 : Math.ceil(known / PART)
    const flying = new Set<Promise<void>>()
    let [count, size] = [0, 0]
    for (;;) {
      const part = await this.#next()
      if (part === undefined) break
      this.#md5?.update(part.bytes)
      count = part.number + 1
      size += part.bytes.length
      if (count > MOST_PARTS) throw wrong('the source is larger than 4 GB')
      const isWhole = known === undefined || (part.isLast ? size === known : size < known)
      if (!isWhole) throw wrong('the length of the source differs from the given size')
      if (this.#has(part.number)) {
        this.#compare(part)
        this.#confirmed(part)
        continue
      }
      // One slow part must not let the others run too far ahead: a token lists at most MOST_ALSO parts behind it.
      while (part.number - this.#done > MOST_ALSO) await this.#unlessStopped(Promise.race(flying))
      // For a stream of unknown size the last part carries the total, and must be sent after all others.
      if (part.isLast && total < 0) await this.#unlessStopped(Promise.all(flying))
      const { number: filePart, bytes } = part
      const fileTotalParts = total < 0 && part.isLast ? count : total
      const sending = caller
        .call(
          this.#isBig
            ? { _: 'upload.saveBigFilePart', fileId: long, filePart, fileTotalParts, bytes }
            : { _: 'upload.saveFilePart', fileId: long, filePart, bytes },
          { kind: 'upload', signal: this.#aborting.signal },
        )
        .then(() => this.#confirmed(part))
        .catch((error: unknown) => this.#stop(error))
        .finally(() => flying.delete(sending))
      flying.add(sending)
      if (flying.size >= this.#parallel) await this.#unlessStopped(Promise.race(flying))
    }
    await this.#unlessStopped(Promise.all(flying))
    if (count === 0) throw wrong('the source is empty, and Telegram takes no empty files')
    if (known !== undefined && size !== known)
      throw wrong('the length of the source differs from the given size')
    if (this.#unread > 0) throw another()
    const { name = this.#parts.name ?? 'file' } = options
    const { type } = this.#parts
    return {
      fileId: this.#fileId,
      parts: count,
      size,
      name,
      isBig: this.#isBig,
      ...(this.#md5 !== undefined && { md5: this.#md5.digest('hex') }),
      ...(type !== undefined && { type }),
    }
  }

  /** Checks a part that Telegram already has against the digest in the token. */
  #compare({ number, bytes }: SourcePart): void {
    this.#past.add(number, bytes)
    if (--this.#unread === 0 && this.#past.toString() !== this.#resumed?.digest) throw another()
  }

  #has(number: number): boolean {
    if (this.#resumed === undefined) return false
    return number < this.#resumed.done || this.#resumed.also.includes(number)
  }

  get #token(): string {
    const fileId = this.#fileId
    const digest = this.#digest.toString()
    return tokenOf({ fileId, size: this.#parts.size, done: this.#done, also: [...this.#also], digest })
  }

  #confirmed({ number, bytes }: SourcePart): void {
    this.#sent += bytes.length
    this.#also.add(number)
    while (this.#also.delete(this.#done)) this.#done++
    const { onProgress } = this.options
    if (onProgress === undefined) return
    this.#digest.add(number, bytes)
    const { size } = this.#parts
    // Until all earlier parts are compared, only the old token is known to be valid.
    const token = this.#unread > 0 ? (this.options.resume as string) : this.#token
    onProgress({ sent: this.#sent, ...(size !== undefined && { total: size }), token })
  }
}

function another(): SentinelError {
  return wrong('the source is not that of the upload that `resume` continues')
}

function wrong(what: string): SentinelError {
  return new SentinelError('mtproto.transfer', `mtproto.upload: ${what}. Pass one complete file.`)
}
