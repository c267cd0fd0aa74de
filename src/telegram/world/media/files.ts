import { createHash, webcrypto } from 'node:crypto'
import { readTdFileId } from './td-file-id.js'

export interface StoredFile {
  /** Id as a document; see {@link fileIdOf} for other kinds. */
  readonly id: string
  readonly uniqueId: string
  readonly hash: string
  /** Hash of the bytes alone, independent of the name. */
  readonly content: string
  /** Number of the file, counted from 1. */
  readonly number: number
  readonly name: string
  readonly type: string
  readonly bytes: Uint8Array
  /** When the file was first stored, in Unix seconds. */
  readonly date: number
}

/** The kind a file was sent as, and for photos the size. */
export type FileKind =
  | 'photo'
  | 'photo_small'
  | 'photo_medium'
  | 'document'
  | 'video'
  | 'audio'
  | 'voice'
  | 'animation'
  | 'video_note'
  | 'sticker'
  | 'chat_photo'

interface Kind {
  /** Beginning of file ids of this kind. */
  readonly prefix: string
  /** Telegram's name of the kind (td/telegram/files/FileType.cpp). */
  readonly called: string
  readonly folder: string
  /** File extension in download paths, whatever the original name. */
  readonly ending?: string
  /** File extension in download paths if the original name has none. */
  readonly usual?: string
  /** Fraction of the bytes in this photo size. */
  readonly share?: number
}

const KINDS: Readonly<Record<FileKind, Kind>> = {
  photo: { prefix: 'AgACAgIAAxkD', called: 'Photo', folder: 'photos', ending: 'jpg' },
  photo_small: { prefix: 'AgACAgIAAxkB', called: 'Photo', folder: 'photos', ending: 'jpg', share: 1 / 16 },
  photo_medium: { prefix: 'AgACAgIAAxkC', called: 'Photo', folder: 'photos', ending: 'jpg', share: 1 / 4 },
  document: { prefix: 'BQACAgIAAxkD', called: 'Document', folder: 'documents' },
  video: { prefix: 'BAACAgIAAxkD', called: 'Video', folder: 'videos', usual: 'mp4' },
  audio: { prefix: 'CQACAgIAAxkD', called: 'Audio', folder: 'music', usual: 'mp3' },
  voice: { prefix: 'AwACAgIAAxkD', called: 'VoiceNote', folder: 'voice', ending: 'oga' },
  animation: { prefix: 'CgACAgIAAxkD', called: 'Animation', folder: 'animations', usual: 'mp4' },
  video_note: { prefix: 'DQACAgIAAxkD', called: 'VideoNote', folder: 'video_notes', ending: 'mp4' },
  sticker: { prefix: 'CAACAgIAAxkD', called: 'Sticker', folder: 'stickers', usual: 'webp' },
  chat_photo: { prefix: 'AQADAgADAAxkD', called: 'ChatPhoto', folder: 'profile_photos', ending: 'jpg' },
}
const NAMES = Object.keys(KINDS) as readonly FileKind[]
const HASH_LENGTH = 43

/** Maximum size of all files together; beyond it the oldest are dropped. */
const KEPT_BYTES = 256 * 1024 * 1024

/** Stores files by content, name and type: the same bytes under another name are another file with the same unique id. */
export class Files {
  readonly #files = new Map<string, StoredFile>()
  readonly #byNumber = new Map<bigint, StoredFile>()
  readonly #counted = new Map<number, StoredFile>()
  #bytes = 0
  #count = 0

  constructor(private readonly date: () => number) {}

  store(bytes: Uint8Array, name: string, type: string): StoredFile {
    return this.#keep(hashOf(bytes), bytes, name, type)
  }

  /** Like `store`, for files of up to gigabytes: hashes without blocking. */
  async storeLarge(bytes: Uint8Array, name: string, type: string): Promise<StoredFile> {
    const digest = await webcrypto.subtle.digest('SHA-256', bytes)
    return this.#keep(Buffer.from(digest).toString('base64url'), bytes, name, type)
  }

  #keep(content: string, bytes: Uint8Array, name: string, type: string): StoredFile {
    const first = this.#files.get(content)
    const isAnother = first !== undefined && (first.name !== name || first.type !== type)
    const hash = isAnother ? hashOf(JSON.stringify([content, name, type])) : content
    const known = this.#files.get(hash)
    if (known !== undefined) return known
    const id = `${KINDS.document.prefix}${hash}`
    const uniqueId = `AgAD${content.slice(0, 12)}`
    const number = ++this.#count
    const file = { id, uniqueId, hash, content, number, name, type, bytes, date: this.date() }
    this.#files.set(hash, file)
    this.#byNumber.set(numberOf(file), file)
    this.#counted.set(number, file)
    this.#bytes += bytes.length
    for (const oldest of this.#files.values()) {
      if (this.#bytes <= KEPT_BYTES || oldest === file) break
      this.#files.delete(oldest.hash)
      this.#byNumber.delete(numberOf(oldest))
      this.#counted.delete(oldest.number)
      this.#bytes -= oldest.bytes.length
    }
    return file
  }

  /** Finds a file by its {@link fileIdOf}, or by the id that it has in updates that came by MTProto. */
  find(id: string): StoredFile | undefined {
    if (ownKindOf(id) !== undefined) return this.#files.get(id.slice(-HASH_LENGTH))
    const named = readTdFileId(id)
    return named === undefined ? undefined : this.#byNumber.get(named.number)
  }

  /** Finds a file by its {@link pathOf}, with its kind. */
  at(path: string): { readonly file: StoredFile; readonly kind: FileKind } | undefined {
    const place = Number(/\/file_(\d{1,15})(?:\.|$)/.exec(path)?.[1] ?? 0)
    const file = this.#counted.get(Math.floor(place / NAMES.length))
    const kind = NAMES[place % NAMES.length]
    return file !== undefined && kind !== undefined && pathOf(file, kind) === path
      ? { file, kind }
      : undefined
  }

  /** Finds a file by its {@link numberOf}. */
  byNumber(number: bigint): StoredFile | undefined {
    return this.#byNumber.get(number)
  }
}

function hashOf(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('base64url')
}

/** The id of a file in MTProto, independent of its kind. */
export function numberOf({ hash }: StoredFile): bigint {
  return Buffer.from(hash, 'base64url').readBigInt64LE()
}

/** The file id, which differs by kind. */
export function fileIdOf({ hash }: StoredFile, kind: FileKind): string {
  return `${KINDS[kind].prefix}${hash}`
}

/** "Supposed to be the same over time and for different bots": depends on the content, and on whether it is a photo. */
export function uniqueIdOf({ content, uniqueId }: StoredFile, kind: FileKind): string {
  if (!isPicture(kind)) return uniqueId
  const size = kind === 'photo_small' ? 'cw' : kind === 'photo_medium' ? 'bQ' : ''
  return `AQAD${content.slice(0, 12)}${size}`
}

/** Photos can be sent only as photos, other files only as other files. */
export function isPicture(kind: FileKind): boolean {
  return kind === 'photo' || kind === 'photo_small' || kind === 'photo_medium' || kind === 'chat_photo'
}

/**
 * The bytes of a file in this kind. Images are not decoded: a smaller size consists of the first bytes, so that tests can tell
 * the sizes apart.
 */
export function bytesOf({ bytes }: StoredFile, kind: FileKind): Uint8Array {
  const { share } = KINDS[kind]
  return share === undefined ? bytes : bytes.subarray(0, Math.ceil(bytes.length * share))
}

/** Download path: a generated name with the file's own extension or that of its kind. */
export function pathOf({ name, number }: StoredFile, kind: FileKind): string {
  const { folder, ending, usual } = KINDS[kind]
  const own = ending ?? /[^.]\.([A-Za-z0-9]{1,16})$/.exec(name)?.[1] ?? usual
  const place = number * NAMES.length + NAMES.indexOf(kind)
  return `${folder}/file_${place}${own === undefined ? '' : `.${own}`}`
}

/** The kind encoded in a file id. */
export function kindOf(id: string): FileKind | undefined {
  return ownKindOf(id) ?? readTdFileId(id)?.kind
}

function ownKindOf(id: string): FileKind | undefined {
  const prefix = id.slice(0, -HASH_LENGTH)
  return NAMES.find((kind) => KINDS[kind].prefix === prefix)
}

export function calledOf(kind: FileKind): string {
  return KINDS[kind].called
}
