import { createHash, webcrypto } from 'node:crypto'

export interface StoredFile {
  /** As a plain document; see {@link fileIdOf} for all else. */
  readonly id: string
  readonly uniqueId: string
  readonly hash: string
  readonly name: string
  readonly type: string
  readonly bytes: Uint8Array
  /** When it was first seen, in Unix seconds. */
  readonly date: number
}

/** What a file was sent as. */
export type FileKind =
  | 'photo'
  | 'document'
  | 'video'
  | 'audio'
  | 'voice'
  | 'animation'
  | 'video_note'
  | 'sticker'
  | 'chat_photo'

/** What the id of each kind begins with, and what Telegram calls the kind (td/telegram/files/FileType.cpp). */
const KINDS: Readonly<Record<FileKind, { readonly prefix: string; readonly called: string }>> = {
  photo: { prefix: 'AgACAgIAAxkD', called: 'Photo' },
  document: { prefix: 'BQACAgIAAxkD', called: 'Document' },
  video: { prefix: 'BAACAgIAAxkD', called: 'Video' },
  audio: { prefix: 'CQACAgIAAxkD', called: 'Audio' },
  voice: { prefix: 'AwACAgIAAxkD', called: 'VoiceNote' },
  animation: { prefix: 'CgACAgIAAxkD', called: 'Animation' },
  video_note: { prefix: 'DQACAgIAAxkD', called: 'VideoNote' },
  sticker: { prefix: 'CAACAgIAAxkD', called: 'Sticker' },
  chat_photo: { prefix: 'AQADAgADAAxkD', called: 'ChatPhoto' },
}
const HASH_LENGTH = 43

/** All files together; beyond it the oldest are forgotten. */
const KEPT_BYTES = 256 * 1024 * 1024

/** Files by the hash of their content: the same bytes are the same file. */
export class Files {
  readonly #files = new Map<string, StoredFile>()
  readonly #byNumber = new Map<bigint, StoredFile>()
  #bytes = 0

  constructor(private readonly date: () => number) {}

  store(bytes: Uint8Array, name: string, type: string): StoredFile {
    return this.#keep(createHash('sha256').update(bytes).digest('base64url'), bytes, name, type)
  }

  /** The same for what may be gigabytes: meanwhile others are served. */
  async storeLarge(bytes: Uint8Array, name: string, type: string): Promise<StoredFile> {
    const digest = await webcrypto.subtle.digest('SHA-256', bytes)
    return this.#keep(Buffer.from(digest).toString('base64url'), bytes, name, type)
  }

  #keep(hash: string, bytes: Uint8Array, name: string, type: string): StoredFile {
    const known = this.#files.get(hash)
    if (known !== undefined) return known
    const id = `${KINDS.document.prefix}${hash}`
    const uniqueId = `AgAD${hash.slice(0, 12)}`
    const file: StoredFile = { id, uniqueId, hash, name, type, bytes, date: this.date() }
    this.#files.set(hash, file)
    this.#byNumber.set(numberOf(file), file)
    this.#bytes += bytes.length
    for (const oldest of this.#files.values()) {
      if (this.#bytes <= KEPT_BYTES || oldest === file) break
      this.#files.delete(oldest.hash)
      this.#byNumber.delete(numberOf(oldest))
      this.#bytes -= oldest.bytes.length
    }
    return file
  }

  find(id: string): StoredFile | undefined {
    return kindOf(id) === undefined ? undefined : this.#files.get(id.slice(-HASH_LENGTH))
  }

  /** By its {@link numberOf}. */
  byNumber(number: bigint): StoredFile | undefined {
    return this.#byNumber.get(number)
  }
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
export function uniqueIdOf({ hash, uniqueId }: StoredFile, kind: FileKind): string {
  return kind === 'photo' || kind === 'chat_photo' ? `AQAD${hash.slice(0, 12)}` : uniqueId
}

/** What a file id says that its file was sent as. */
export function kindOf(id: string): FileKind | undefined {
  const prefix = id.slice(0, -HASH_LENGTH)
  return (Object.keys(KINDS) as FileKind[]).find((kind) => KINDS[kind].prefix === prefix)
}

export function calledOf(kind: FileKind): string {
  return KINDS[kind].called
}
