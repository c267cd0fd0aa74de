import { createDecipheriv, createHash, timingSafeEqual } from 'node:crypto'
import type { tl } from '@mtcute/core'
import { SentinelError } from '../../../../core/errors.js'
import { getOrInsert } from '../../../../core/maps.js'
import type { Caller } from '../../calls/caller.js'
import type { CdnDataCentres } from './data-centres.js'

/** How often a part is requested again because the CDN must fetch it from Telegram first. */
const MOST_REUPLOADS = 8

/**
 * A file served by a CDN (https://core.telegram.org/cdn). CDNs are not trusted: the content is encrypted, and every piece is
 * compared with hashes that Telegram itself provides.
 */
export class CdnFile {
  readonly #hashes = new Map<number, tl.RawFileHash>()
  readonly #asking = new Map<number, Promise<void>>()

  constructor(
    private readonly caller: Caller,
    private readonly centres: CdnDataCentres,
    private readonly redirect: tl.upload.RawFileCdnRedirect,
    /** The data centre that stores the file. */
    private readonly dc: number | undefined,
    private readonly signal: AbortSignal,
  ) {
    this.#learn(redirect.fileHashes)
  }

  /** @throws SentinelError `mtproto.corrupted` if the bytes differ from Telegram's file. */
  async part(offset: number, limit: number): Promise<Uint8Array> {
    const bytes = this.#decrypt(await this.#fetch(offset, limit), offset)
    // A longer answer may be valid, but the bytes beyond the limit would then be returned twice.
    if (bytes.length > limit) throw corrupted(offset + limit, this.redirect.dcId)
    for (let at = 0; at < bytes.length; ) {
      const hash = await this.#hashAt(offset + at)
      const piece = bytes.subarray(at, at + hash.limit)
      const digest = createHash('sha256').update(piece).digest()
      const isSame = digest.length === hash.hash.length && timingSafeEqual(digest, hash.hash)
      // The last piece may be shorter than `hash.limit`; a truncated piece cannot have the same digest.
      if (!isSame) throw corrupted(offset + at, this.redirect.dcId)
      this.#hashes.delete(offset + at)
      at += piece.length
    }
    // An answer that is too short passes all hashes, so check that no further piece exists.
    if (bytes.length < limit && (await this.#isMore(offset + bytes.length)))
      throw corrupted(offset + bytes.length, this.redirect.dcId)
    return bytes
  }

  async #fetch(offset: number, limit: number): Promise<Uint8Array> {
    const { redirect, signal } = this
    const { fileToken, dcId } = redirect
    for (let tries = 0; tries < MOST_REUPLOADS; tries++) {
      const answer = await this.centres.call(
        dcId,
        { _: 'upload.getCdnFile', fileToken, offset, limit },
        signal,
      )
      if (answer._ === 'upload.cdnFile') return answer.bytes
      const { requestToken } = answer
      this.#learn(
        await this.caller.call(
          { _: 'upload.reuploadCdnFile', fileToken, requestToken },
          { kind: 'download', dc: this.dc, signal },
        ),
      )
    }
    throw new SentinelError(
      'mtproto.transfer',
      `mtproto.download: data centre ${dcId} cannot get the file from Telegram. Try again later.`,
    )
  }

  /** Decrypts a part: "The last four bytes of the IV are replaced by the offset / 16, big-endian." */
  #decrypt(bytes: Uint8Array, offset: number): Uint8Array {
    const { encryptionKey, encryptionIv } = this.redirect
    const iv = Buffer.from(encryptionIv)
    iv.writeUInt32BE(offset / 16, 12)
    return createDecipheriv('aes-256-ctr', encryptionKey, iv).update(bytes)
  }

  async #hashAt(offset: number): Promise<tl.RawFileHash> {
    const known = this.#hashes.get(offset)
    if (known !== undefined) return known
    await getOrInsert(this.#asking, offset, () =>
      this.#ask(offset).finally(() => this.#asking.delete(offset)),
    )
    const told = this.#hashes.get(offset)
    // Telegram has no hash for this offset, so these bytes cannot be verified.
    if (told === undefined || told.limit <= 0) throw corrupted(offset, this.redirect.dcId)
    return told
  }

  async #isMore(offset: number): Promise<boolean> {
    if (!this.#hashes.has(offset)) await this.#ask(offset)
    return this.#hashes.has(offset)
  }

  async #ask(offset: number): Promise<void> {
    const { fileToken } = this.redirect
    this.#learn(
      await this.caller.call(
        { _: 'upload.getCdnFileHashes', fileToken, offset },
        { kind: 'download', dc: this.dc, signal: this.signal },
      ),
    )
  }

  #learn(hashes: readonly tl.RawFileHash[]): void {
    for (const hash of hashes) this.#hashes.set(hash.offset, hash)
  }
}

function corrupted(offset: number, dc: number): SentinelError {
  return new SentinelError(
    'mtproto.corrupted',
    `mtproto.download: the data of data centre ${dc} at byte ${offset} differ from Telegram's. All data before them are right: resume there later.`,
  )
}
