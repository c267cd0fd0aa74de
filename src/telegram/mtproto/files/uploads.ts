import { createHash } from 'node:crypto'
import { getOrInsert } from '../../../core/maps.js'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import { badRequest } from '../rpc-error.js'

/** "All parts must have the same size, 524288 must be evenly divisible by it" (https://core.telegram.org/api/files#uploading-files). */
const LARGEST_PART = 512 * 1024
/** `upload_max_fileparts_default` and `upload_max_fileparts_premium` of the client configuration. */
const MOST_PARTS = 4000
const MOST_PARTS_PREMIUM = 8000
/** Maximum size of a file sent by `upload.saveFilePart`, in bytes; larger ones must use `upload.saveBigFilePart`. */
const MOST_OF_SMALL = 10 * 1024 * 1024
/** Maximum size of all unfinished uploads together; beyond it the oldest are dropped. Telegram drops them after some hours. */
const KEPT_BYTES = MOST_PARTS * LARGEST_PART

interface Upload {
  readonly parts: Map<number, Buffer>
  bytes: number
  /** Size of every part except the last. */
  partSize: number
  /** Whether the parts are sent by `upload.saveBigFilePart`. */
  readonly isBig: boolean
  /** Number of parts, as announced for a big file; undefined until known. */
  total?: number
}

/** An uploaded part of a file. */
export interface Part {
  readonly fileId: bigint
  readonly number: number
  readonly bytes: Buffer
  /** For a big file: its number of parts, or -1 if unknown. */
  readonly total?: number
}

/** Parts of unfinished uploads (https://core.telegram.org/api/files#uploading-files). */
export class Uploads {
  readonly #uploads = new Map<string, Upload>()
  #bytes = 0

  /** Stores a part; a part sent again replaces the earlier one. */
  save(account: number, { fileId, number, bytes, total }: Part, isPremium: boolean): void {
    const most = isPremium ? MOST_PARTS_PREMIUM : MOST_PARTS
    const isBig = total !== undefined
    if (number < 0 || number >= most) throw badRequest('FILE_PART_INVALID')
    if (bytes.length === 0) throw badRequest('FILE_PART_EMPTY')
    if (bytes.length > LARGEST_PART) throw badRequest('FILE_PART_TOO_BIG')
    if (total !== undefined && (total < -1 || total === 0 || total > most || (total > 0 && number >= total)))
      throw badRequest('FILE_PARTS_INVALID')
    const upload = this.#begun(account, fileId, isBig)
    if (upload.isBig !== isBig) throw badRequest('FILE_PART_INVALID')
    this.#measure(upload, number, bytes.length, total)
    const before = upload.parts.get(number)?.length ?? 0
    // Not copied: the part is a slice of the received frame, which is not much larger.
    upload.parts.set(number, bytes)
    upload.bytes += bytes.length - before
    this.#bytes += bytes.length - before
    this.#makeRoom(upload)
  }

  /** Assembles an `InputFile`, and drops its parts. */
  take(account: number, input: TlObject): { readonly bytes: Buffer; readonly name: string } {
    if (input._ !== 'inputFile' && input._ !== 'inputFileBig') throw badRequest('FILE_PARTS_INVALID')
    const key = `${account} ${input.id as bigint}`
    const upload = this.#uploads.get(key)
    const count = input.parts as number
    if (count < 1 || count > MOST_PARTS_PREMIUM) throw badRequest('FILE_PARTS_INVALID')
    if (upload === undefined) throw badRequest('FILE_PART_0_MISSING')
    const parts = Array.from({ length: count }, (_, number) => {
      const part = upload.parts.get(number)
      if (part === undefined) throw badRequest(`FILE_PART_${number}_MISSING`)
      return part
    })
    // "The last part does not have to satisfy these conditions."
    if (parts.slice(0, -1).some(({ length }) => length !== upload.partSize))
      throw badRequest('FILE_PART_SIZE_CHANGED')
    if (!upload.isBig && upload.bytes > MOST_OF_SMALL) throw badRequest('FILE_PART_TOO_BIG')
    const bytes = Buffer.concat(parts)
    const md5 = input._ === 'inputFile' ? (input.md5_checksum as string) : ''
    if (md5 !== '' && createHash('md5').update(bytes).digest('hex') !== md5.toLowerCase())
      throw badRequest('MD5_CHECKSUM_INVALID')
    this.#forget(key, upload)
    return { bytes, name: input.name as string }
  }

  #begun(account: number, fileId: bigint, isBig: boolean): Upload {
    const begin = (): Upload => ({ parts: new Map(), bytes: 0, partSize: 0, isBig })
    return getOrInsert(this.#uploads, `${account} ${fileId}`, begin)
  }

  /** Checks a part's size. Parts arrive in any order and the last one may be shorter, so the size comes from the others. */
  #measure(upload: Upload, number: number, length: number, total: number | undefined): void {
    if (total !== undefined && total > 0) {
      if (upload.total !== undefined && upload.total !== total) throw badRequest('FILE_PARTS_INVALID')
      upload.total = total
    }
    const isLast = upload.total !== undefined && number === upload.total - 1
    if (isLast) return
    const isSize = length % 1024 === 0 && LARGEST_PART % length === 0
    if (!isSize) {
      // In a small file the last part is not known yet.
      if (total === undefined) return
      throw badRequest('FILE_PART_SIZE_INVALID')
    }
    if (upload.partSize === 0) upload.partSize = length
    else if (length > upload.partSize) throw badRequest('FILE_PART_SIZE_CHANGED')
  }

  #makeRoom(latest: Upload): void {
    for (const [key, upload] of this.#uploads) {
      if (this.#bytes <= KEPT_BYTES || upload === latest) return
      this.#forget(key, upload)
    }
  }

  #forget(key: string, upload: Upload): void {
    this.#uploads.delete(key)
    this.#bytes -= upload.bytes
  }
}
