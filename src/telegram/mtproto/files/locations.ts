import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import { bytesOf, type FileKind, numberOf, type StoredFile } from '../../world/media/files.js'
import type { World } from '../../world/world.js'
import { badRequest } from '../rpc-error.js'

/** Bytes of a file reference used by its signature, after a constant byte and four bytes for the epoch. */
const SIGNATURE = 16
/** `thumb_size` of the document itself; other values denote a thumbnail. */
const WHOLE = ''
/** The smaller sizes of a photo; any other value denotes the photo itself. */
const SMALLER: ReadonlyMap<string, FileKind> = new Map([
  ['s', 'photo_small'],
  ['m', 'photo_medium'],
])

/**
 * File locations as given to clients (https://core.telegram.org/api/file-references): an id, an access hash valid for one
 * account, and a file reference that expires.
 */
export class Locations {
  readonly #secret = randomBytes(32)
  readonly #thumbnails = new WeakMap<StoredFile, StoredFile>()
  /** File references of earlier epochs have expired. */
  #epoch = 1
  /** The data centre that stores the files. */
  home: number | undefined

  constructor(private readonly world: World) {}

  /** Invalidates all file references. */
  expire(): void {
    this.#epoch++
  }

  accessHash(viewer: Account, file: StoredFile): bigint {
    return this.#sign(`${viewer.id} file ${file.hash}`).readBigInt64LE()
  }

  reference(viewer: Account, file: StoredFile): Buffer {
    const head = Buffer.alloc(5)
    head.writeUInt8(1)
    head.writeUInt32BE(this.#epoch, 1)
    return Buffer.concat([head, this.#signature(viewer, file, this.#epoch)])
  }

  /** Sets the thumbnail of a document. */
  setThumbnail(file: StoredFile, thumbnail: StoredFile): void {
    this.#thumbnails.set(file, thumbnail)
  }

  /** Finds a file by an `InputFileLocation`. */
  atLocation(viewer: Account, location: TlObject): StoredFile {
    switch (location._) {
      case 'inputDocumentFileLocation': {
        const file = this.#named(viewer, location, 'LOCATION_INVALID')
        if (location.thumb_size === WHOLE) return file
        const thumbnail = this.#thumbnails.get(file)
        if (thumbnail === undefined) throw badRequest('LOCATION_INVALID')
        return thumbnail
      }
      case 'inputPhotoFileLocation': {
        const file = this.#named(viewer, location, 'LOCATION_INVALID')
        const smaller = SMALLER.get(location.thumb_size as string)
        return smaller === undefined ? file : { ...file, bytes: bytesOf(file, smaller) }
      }
      case 'inputPeerPhotoFileLocation':
        // Needs no access hash and file reference: the photo is visible to everybody who can see the peer.
        return this.#known(location.photo_id as bigint, 'LOCATION_INVALID')
      default:
        throw badRequest('LOCATION_INVALID')
    }
  }

  /** Finds a file by an `InputDocument` or `InputPhoto`. */
  named(viewer: Account, input: TlObject): StoredFile {
    const isPhoto = input._ === 'inputPhoto'
    if (!isPhoto && input._ !== 'inputDocument') throw badRequest('MEDIA_INVALID')
    return this.#named(viewer, input, isPhoto ? 'PHOTO_INVALID' : 'DOCUMENT_INVALID')
  }

  #named(viewer: Account, input: TlObject, otherwise: string): StoredFile {
    const file = this.#known(input.id as bigint, otherwise)
    if (input.access_hash !== this.accessHash(viewer, file)) throw badRequest(otherwise)
    this.#assertFresh(viewer, file, input.file_reference as Buffer)
    return file
  }

  #known(number: bigint, otherwise: string): StoredFile {
    const file = this.world.files.byNumber(number)
    if (file === undefined) throw badRequest(otherwise)
    return file
  }

  #assertFresh(viewer: Account, file: StoredFile, reference: Buffer): void {
    if (reference.length === 0) throw badRequest('FILE_REFERENCE_EMPTY')
    if (reference.length !== 5 + SIGNATURE) throw badRequest('FILE_REFERENCE_INVALID')
    const epoch = reference.readUInt32BE(1)
    if (!timingSafeEqual(this.#signature(viewer, file, epoch), reference.subarray(5)))
      throw badRequest('FILE_REFERENCE_INVALID')
    if (epoch !== this.#epoch) throw badRequest('FILE_REFERENCE_EXPIRED')
  }

  #signature(viewer: Account, file: StoredFile, epoch: number): Buffer {
    return this.#sign(`${viewer.id} reference ${epoch} ${numberOf(file)}`).subarray(0, SIGNATURE)
  }

  #sign(text: string): Buffer {
    return createHmac('sha256', this.#secret).update(text).digest()
  }
}
