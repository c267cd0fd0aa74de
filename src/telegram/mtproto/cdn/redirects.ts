import { createCipheriv, randomBytes } from 'node:crypto'
import { keepLatest } from '../../../core/maps.js'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { StoredFile } from '../../world/media/files.js'
import { HASHED, hashesOf } from '../files/hashes.js'
import { RpcError } from '../rpc-error.js'

/** Maximum number of file tokens; beyond it the oldest become invalid. */
const MOST_TOKENS = 1000
const MEGABYTE = 1024 * 1024

interface Given {
  readonly file: StoredFile
  readonly token: Buffer
  readonly key: Buffer
  readonly iv: Buffer
  /** Indexes of the megabytes that the CDN holds. */
  readonly there: Set<number>
}

/**
 * Files served by a CDN (https://core.telegram.org/cdn). The CDN holds them encrypted, under keys that only Telegram and the
 * client know.
 */
export class CdnRedirects {
  /** Number of redirects, uploads to the CDN, and parts served. */
  readonly counts = { redirects: 0, reuploads: 0, parts: 0 }
  readonly #given = new Map<string, Given>()
  readonly #byFile = new Map<StoredFile, Given>()
  readonly #requests = new Map<string, { readonly given: Given; readonly megabyte: number }>()
  readonly #corrupt = new Set<number>()
  readonly #short = new Set<number>()

  /** Port and public key of the CDN; set once it listens. */
  address: { readonly port: number; readonly publicKey: string } | undefined

  constructor(
    /** Number of the CDN data centre. */
    readonly dc: number,
    /** Files smaller than this are not redirected. */
    private readonly from: number,
  ) {}

  /** Redirects a client to the CDN; undefined if the file is not served there. */
  redirect(file: StoredFile): TlObject | undefined {
    if (file.bytes.length < this.from) return undefined
    const given = this.#byFile.get(file) ?? this.#give(file)
    this.counts.redirects++
    return {
      _: 'upload.fileCdnRedirect',
      dc_id: this.dc,
      file_token: given.token,
      encryption_key: given.key,
      encryption_iv: given.iv,
      file_hashes: hashesOf(file, 0),
    }
  }

  /** Returns the file of a token. */
  fileOf(token: Buffer): StoredFile {
    return this.#of(token).file
  }

  /** Uploads the requested megabyte to the CDN; returns its hashes. */
  reupload(token: Buffer, request: Buffer): TlObject[] {
    const given = this.#of(token)
    const key = request.toString('base64url')
    const asked = this.#requests.get(key)
    if (asked?.given !== given) throw new RpcError(400, 'REQUEST_TOKEN_INVALID')
    this.#requests.delete(key)
    given.there.add(asked.megabyte)
    this.counts.reuploads++
    return hashesOf(given.file, asked.megabyte * MEGABYTE)
  }

  /** The CDN's answer: the encrypted part, or a request to upload it first. */
  part(token: Buffer, offset: number, limit: number): TlObject {
    const given = this.#of(token)
    const megabyte = Math.floor(offset / MEGABYTE)
    if (offset < given.file.bytes.length && !given.there.has(megabyte)) {
      const request = randomBytes(16)
      this.#requests.set(request.toString('base64url'), { given, megabyte })
      // The oldest belong to clients that never came back.
      keepLatest(this.#requests, MOST_TOKENS)
      return { _: 'upload.cdnFileReuploadNeeded', request_token: request }
    }
    this.counts.parts++
    const iv = Buffer.from(given.iv)
    iv.writeUInt32BE(offset / 16, 12)
    const length = this.#short.delete(offset) ? HASHED : limit
    const plain = given.file.bytes.subarray(offset, offset + length)
    const bytes = createCipheriv('aes-256-ctr', given.key, iv).update(plain)
    for (const place of this.#corrupt) {
      if (place < offset || place >= offset + bytes.length) continue
      bytes.writeUInt8(bytes.readUInt8(place - offset) ^ 1, place - offset)
      this.#corrupt.delete(place)
    }
    return { _: 'upload.cdnFile', bytes }
  }

  /** Serves a wrong byte at this offset, once. */
  corrupt(offset: number): void {
    this.#corrupt.add(offset)
  }

  /** Serves only the first piece of the part at this offset, once. */
  shorten(offset: number): void {
    this.#short.add(offset)
  }

  /** Drops all file contents from the CDN. */
  drop(): void {
    for (const { there } of this.#given.values()) there.clear()
  }

  /** Invalidates all tokens: clients must ask for new redirects. */
  endTokens(): void {
    this.#given.clear()
    this.#byFile.clear()
    this.#requests.clear()
  }

  #give(file: StoredFile): Given {
    const given: Given = {
      file,
      token: randomBytes(24),
      key: randomBytes(32),
      iv: randomBytes(16),
      there: new Set(),
    }
    this.#given.set(given.token.toString('base64url'), given)
    this.#byFile.set(file, given)
    for (const [key, oldest] of this.#given) {
      if (this.#given.size <= MOST_TOKENS) break
      this.#given.delete(key)
      this.#byFile.delete(oldest.file)
    }
    return given
  }

  #of(token: Buffer): Given {
    const given = this.#given.get(token.toString('base64url'))
    if (given === undefined) throw new RpcError(400, 'FILE_TOKEN_INVALID')
    return given
  }
}
