import { createHash } from 'node:crypto'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { StoredFile } from '../../world/media/files.js'

/** Number of bytes per hash; the last hash of a file may cover fewer (https://core.telegram.org/constructor/fileHash). */
export const HASHED = 128 * 1024
/** Maximum number of hashes in an answer. */
const MOST_HASHES = 10

/** Hashes of the file's pieces from an offset on, computed over the plain content. */
export function hashesOf({ bytes }: StoredFile, from: number): TlObject[] {
  const hashes: TlObject[] = []
  const first = Math.max(0, Math.floor(from / HASHED)) * HASHED
  for (let offset = first; offset < bytes.length && hashes.length < MOST_HASHES; offset += HASHED) {
    const piece = bytes.subarray(offset, offset + HASHED)
    const hash = createHash('sha256').update(piece).digest()
    hashes.push({ _: 'fileHash', offset: BigInt(offset), limit: piece.length, hash })
  }
  return hashes
}
