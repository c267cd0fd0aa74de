import { createHash, webcrypto } from 'node:crypto'

export interface StoredFile {
  /** As a plain document; see {@link fileIdOf} for all else. */
  readonly id: string
  readonly uniqueId: string
  readonly hash: string
  /** The hash of the bytes alone: the same under whichever name. */
  readonly content: string
  /** Counts files, from 1. */
  readonly number: number
  readonly name: string
  readonly type: string
  readonly bytes: Uint8Array
  /** When it was first seen, in Unix seconds. */
  readonly date: number
}

/** What a file was sent as; of photos, in which size. */
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
  /** What the id of each begins with. */
  readonly prefix: string
  /** What Telegram calls it (td/telegram/files/FileType.cpp). */
  readonly called: string
  readonly folder: string
  /** What it is named when it is downloaded, whatever it was named before. */
  readonly ending?: string
  /** The same where its own name says nothing. */
  readonly usual?: string
  /** As much of the file as there is in this size. */
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

/** All files together; beyond it the oldest are forgotten. */
const KEPT_BYTES = 256 * 1024 * 1024

/** Files by what they contain and are named: the same bytes under another name are another file, with the same unique id. */
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

  /** The same for what may be gigabytes: meanwhile others are served. */
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

  find(id: string): StoredFile | undefined {
    return kindOf(id) === undefined ? undefined : this.#files.get(id.slice(-HASH_LENGTH))
  }

  /** By its {@link pathOf}, and in which size. */
  at(path: string): { readonly file: StoredFile; readonly kind: FileKind } | undefined {
    const place = Number(/\/file_(\d{1,15})(?:\.|$)/.exec(path)?.[1] ?? 0)
    const file = this.#counted.get(Math.floor(place / NAMES.length))
    const kind = NAMES[place % NAMES.length]
    return file !== undefined && kind !== undefined && pathOf(file, kind) === path
      ? { file, kind }
      : undefined
  }

  /** By its {@link numberOf}. */
  byNumber(number: bigint): StoredFile | undefined {
    return this.#byNumber.get(number)
  }
}

function hashOf(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('base64url')
}

/** What MTProto calls a file by, whatever it was sent as. */
export function numberOf({ hash }: StoredFile): bigint {
  return Buffer.from(hash, 'base64url').readBigInt64LE()
}

/** The same file has an id of its own as each kind. */
export function fileIdOf({ hash }: StoredFile, kind: FileKind): string {
  return `${KINDS[kind].prefix}${hash}`
}

/** "Supposed to be the same over time and for different bots": it tells photos from other files, and content. */
export function uniqueIdOf({ content, uniqueId }: StoredFile, kind: FileKind): string {
  if (!isPicture(kind)) return uniqueId
  const size = kind === 'photo_small' ? 'cw' : kind === 'photo_medium' ? 'bQ' : ''
  return `AQAD${content.slice(0, 12)}${size}`
}

/** Files of one of these kinds can be sent as another of them, and as no other. */
export function isPicture(kind: FileKind): boolean {
  return kind === 'photo' || kind === 'photo_small' || kind === 'photo_medium' || kind === 'chat_photo'
}

/** Pictures are not opened: a smaller size is the beginning of the whole, so that nobody takes the one for the other. */
export function bytesOf({ bytes }: StoredFile, kind: FileKind): Uint8Array {
  const { share } = KINDS[kind]
  return share === undefined ? bytes : bytes.subarray(0, Math.ceil(bytes.length * share))
}

/** Where it is downloaded from: named anew, with the ending that it had or that its kind has. */
export function pathOf({ name, number }: StoredFile, kind: FileKind): string {
  const { folder, ending, usual } = KINDS[kind]
  const own = ending ?? /[^.]\.([A-Za-z0-9]{1,16})$/.exec(name)?.[1] ?? usual
  const place = number * NAMES.length + NAMES.indexOf(kind)
  return `${folder}/file_${place}${own === undefined ? '' : `.${own}`}`
}

/** What a file id says that its file was sent as. */
export function kindOf(id: string): FileKind | undefined {
  const prefix = id.slice(0, -HASH_LENGTH)
  return NAMES.find((kind) => KINDS[kind].prefix === prefix)
}

export function calledOf(kind: FileKind): string {
  return KINDS[kind].called
}
