import { createHash } from 'node:crypto'
import { z } from 'zod'
import { SentinelError } from '../../../core/errors.js'

/** How far an upload has got. */
export interface Reached {
  /** The file id chosen for this upload, in decimal. */
  readonly fileId: string
  /** Undefined for a stream of unknown size. */
  readonly size: number | undefined
  /** Number of leading parts that Telegram has confirmed without a gap. */
  readonly done: number
  /** Numbers of confirmed parts after the first gap. */
  readonly also: readonly number[]
  /** {@link PartsDigest} of all confirmed parts, to detect a different file. */
  readonly digest: string
}

/** Maximum number of parts after the first gap that a token can list. */
export const MOST_ALSO = 64

const SHAPE = z.strictObject({
  v: z.literal(2),
  id: z.string().regex(/^-?\d{1,19}$/),
  size: z.int().nonnegative().optional(),
  done: z.int().nonnegative(),
  also: z.array(z.int().nonnegative()).max(MOST_ALSO),
  digest: z.string().regex(/^[0-9a-f]{16}$/),
})

/** Encodes the progress as a string; it contains neither secrets nor parts of the file. */
export function tokenOf({ fileId, size, done, also, digest }: Reached): string {
  return Buffer.from(JSON.stringify({ v: 2, id: fileId, size, done, also, digest })).toString('base64url')
}

/** @throws SentinelError `mtproto.transfer` if the string is not a valid token. */
export function readToken(token: string): Reached {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'))
  } catch {
    throw wrong()
  }
  const parsed = SHAPE.safeParse(value)
  if (!parsed.success) throw wrong()
  const { id, size, done, also, digest } = parsed.data
  return { fileId: id, size, done, also, digest }
}

/**
 * A digest of parts that does not depend on the order in which they were confirmed: the sum of their digests. It detects
 * mistakes, not deliberately constructed collisions.
 */
export class PartsDigest {
  #sum = 0n

  add(number: number, bytes: Uint8Array): void {
    const digest = createHash('sha256').update(`${number} `).update(bytes).digest()
    this.#sum = BigInt.asUintN(64, this.#sum + digest.readBigUInt64LE())
  }

  toString(): string {
    return this.#sum.toString(16).padStart(16, '0')
  }
}

function wrong(): SentinelError {
  return new SentinelError(
    'mtproto.transfer',
    'mtproto.upload: `resume` is not a token of an upload. Pass the last one that onProgress received, or leave it out to start over.',
  )
}
