import { createHash } from 'node:crypto'
import { z } from 'zod'
import { SentinelError } from '../../../core/errors.js'

/** How far an upload came. */
export interface Reached {
  /** As Telegram was told, in decimal. */
  readonly fileId: string
  /** Undefined: a stream of which nobody knew. */
  readonly size: number | undefined
  /** All parts before it are there. */
  readonly done: number
  /** And these behind it. */
  readonly also: readonly number[]
  /** Of all parts that are there, by {@link PartsDigest}, to notice another file. */
  readonly digest: string
}

/** As many parts behind the first that is missing a token tells of. */
export const MOST_ALSO = 64

const SHAPE = z.strictObject({
  v: z.literal(2),
  id: z.string().regex(/^-?\d{1,19}$/),
  size: z.int().nonnegative().optional(),
  done: z.int().nonnegative(),
  also: z.array(z.int().nonnegative()).max(MOST_ALSO),
  digest: z.string().regex(/^[0-9a-f]{16}$/),
})

/** As text to keep: it holds no secret, and nothing of the file. */
export function tokenOf({ fileId, size, done, also, digest }: Reached): string {
  return Buffer.from(JSON.stringify({ v: 2, id: fileId, size, done, also, digest })).toString('base64url')
}

/** @throws SentinelError `mtproto.transfer` when it is no token of ours. */
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
 * Digests of parts as one, in whatever order they were confirmed: each adds its own. Nobody here is kept from making two files alike, only from
 * taking one for another by mistake.
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
    'mtproto.upload: `resume` is no token of an upload. Pass what onProgress told last, or leave it out to begin anew.',
  )
}
