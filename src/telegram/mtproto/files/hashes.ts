import { createHash } from 'node:crypto'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { StoredFile } from '../../world/files.js'

/** Each hash is of so many bytes, but the last (https://core.telegram.org/constructor/fileHash). */
const HASHED = 128 * 1024
/** So many are told at once. */
const MOST_HASHES = 10

/** Hashes of what lies at an offset and behind it; each is of the file as it is, not as it is served. */
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
