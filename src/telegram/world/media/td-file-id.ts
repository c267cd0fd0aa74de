/** A file as named by an id in the format of TDLib. */
interface TdFile {
  readonly kind: Kind
  /** The id of the document or photo in MTProto. */
  readonly number: bigint
}

/** Kinds of files by their number (`FileType` in td/telegram/files/FileType.h). */
const KINDS = {
  2: 'photo',
  3: 'voice',
  4: 'video',
  5: 'document',
  8: 'sticker',
  9: 'audio',
  10: 'animation',
  13: 'video_note',
} as const
/** Sizes of a photo by their type; every other one is the whole photo. */
const SIZES = { s: 'photo_small', m: 'photo_medium' } as const

type Kind = (typeof KINDS)[keyof typeof KINDS] | (typeof SIZES)[keyof typeof SIZES]

const VERSION = 4
const IS_WEB = 1 << 24
const HAS_REFERENCE = 1 << 25
/** In characters; the ids that exist have about a hundred. Unpacked, an id can be a hundred times as long. */
const LONGEST = 512
/** A length of 254 announces three bytes with the length itself (https://core.telegram.org/mtproto/serialize). */
const LONG = 254

/**
 * Reads a file id in the format of TDLib, which the Bot API and MTProto clients use: those of updates that came by MTProto look
 * like this. Undefined for anything else, and for thumbnails, which cannot be sent.
 */
export function readTdFileId(id: string): TdFile | undefined {
  if (id.length > LONGEST) return undefined
  const packed = Buffer.from(id, 'base64url')
  if (packed.at(-1) !== VERSION) return undefined
  const bytes = unpacked(packed.subarray(0, -2))
  if (bytes.length < 12) return undefined
  const type = bytes.readUInt32LE()
  const kind = KINDS[(type & 0xff) as keyof typeof KINDS] as Kind | undefined
  if (kind === undefined || (type & IS_WEB) !== 0) return undefined
  // The number of the data centre takes four bytes.
  const place = (type & HAS_REFERENCE) === 0 ? 8 : afterBytes(bytes, 8)
  if (bytes.length < place + 16) return undefined
  const number = bytes.readBigInt64LE(place)
  // After the access hash come the kind of size, the type of file and the type of size.
  const size = place + 24
  const letter = kind === 'photo' && size < bytes.length ? String.fromCharCode(bytes[size] as number) : ''
  return { kind: letter === 's' || letter === 'm' ? SIZES[letter] : kind, number }
}

/** Zero bytes are packed as one, followed by their count. */
function unpacked(packed: Buffer): Buffer {
  const bytes: number[] = []
  for (let at = 0; at < packed.length; at++) {
    const byte = packed[at] as number
    if (byte !== 0) bytes.push(byte)
    else for (let count = packed[++at] ?? 0; count > 0; count--) bytes.push(0)
  }
  return Buffer.from(bytes)
}

/** Where the value after a byte string begins, which is padded to four bytes. */
function afterBytes(bytes: Buffer, at: number): number {
  const short = bytes[at] as number
  const end = short < LONG ? at + 1 + short : at + 4 + bytes.readUIntLE(at + 1, 3)
  return Math.ceil(end / 4) * 4
}
