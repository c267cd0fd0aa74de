import { createCipheriv, randomBytes } from 'node:crypto'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { StoredFile } from '../../world/files.js'
import { hashesOf } from '../files/hashes.js'
import { RpcError } from '../rpc-error.js'

/** Files that were given away; of more, the oldest tokens end. */
const MOST_TOKENS = 1000
const MEGABYTE = 1024 * 1024
/** What one hash is of. */
const PIECE = 128 * 1024

interface Given {
  readonly file: StoredFile
  readonly token: Buffer
  readonly key: Buffer
  readonly iv: Buffer
  /** By megabyte: what the other data centre holds. */
  readonly there: Set<number>
}

/**
 * Files that a data centre of others serves (https://core.telegram.org/cdn): it holds them encrypted, under keys that only we and the
 * client know.
 */
export class CdnRedirects {
  /** How often each thing happened. */
  readonly counts = { redirects: 0, reuploads: 0, parts: 0 }
  readonly #given = new Map<string, Given>()
  readonly #byFile = new Map<StoredFile, Given>()
  readonly #requests = new Map<string, { readonly given: Given; readonly megabyte: number }>()
  readonly #corrupt = new Set<number>()
  readonly #short = new Set<number>()

  /** Where it is, and its key; set once it listens. */
  address: { readonly port: number; readonly publicKey: string } | undefined

  constructor(
    /** The data centre that clients are sent to. */
    readonly dc: number,
    /** Smaller files are served by us. */
    private readonly from: number,
  ) {}

  /** Where a client is sent for a file; undefined: it stays with us. */
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

  /** The file that a token stands for. */
  fileOf(token: Buffer): StoredFile {
    return this.#of(token).file
  }

  /** Brings what is not there to the other data centre; hashes of that. */
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

  /** What the other data centre answers: encrypted, or that it has to be brought there first. */
  part(token: Buffer, offset: number, limit: number): TlObject {
    const given = this.#of(token)
    const megabyte = Math.floor(offset / MEGABYTE)
    if (offset < given.file.bytes.length && !given.there.has(megabyte)) {
      const request = randomBytes(16)
      this.#requests.set(request.toString('base64url'), { given, megabyte })
      forgetFirst(this.#requests)
      return { _: 'upload.cdnFileReuploadNeeded', request_token: request }
    }
    this.counts.parts++
    const iv = Buffer.from(given.iv)
    iv.writeUInt32BE(offset / 16, 12)
    const length = this.#short.delete(offset) ? PIECE : limit
    const plain = given.file.bytes.subarray(offset, offset + length)
    const bytes = createCipheriv('aes-256-ctr', given.key, iv).update(plain)
    for (const place of this.#corrupt) {
      if (place < offset || place >= offset + bytes.length) continue
      bytes.writeUInt8(bytes.readUInt8(place - offset) ^ 1, place - offset)
      this.#corrupt.delete(place)
    }
    return { _: 'upload.cdnFile', bytes }
  }

  /** The byte there is served wrong, once. */
  corrupt(offset: number): void {
    this.#corrupt.add(offset)
  }

  /** The part that begins there is served short, once: the first piece of it. */
  shorten(offset: number): void {
    this.#short.add(offset)
  }

  /** The other data centre runs out of memory: nothing is there any longer. */
  drop(): void {
    for (const { there } of this.#given.values()) there.clear()
  }

  /** Tokens end: clients must ask us anew. */
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

/** Clients that ask and never come back for it. */
function forgetFirst(map: Map<string, unknown>): void {
  for (const [first] of map) {
    if (map.size <= MOST_TOKENS) return
    map.delete(first)
  }
}
