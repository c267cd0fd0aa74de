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
  /** Of the first part, to notice another file. */
  readonly digest: string
}

const SHAPE = z.strictObject({
  v: z.literal(1),
  id: z.string().regex(/^-?\d{1,19}$/),
  size: z.int().nonnegative().optional(),
  done: z.int().nonnegative(),
  also: z.array(z.int().nonnegative()).max(64),
  digest: z.string().regex(/^[0-9a-f]{16}$/),
})

/** As text to keep: it holds no secret, and nothing of the file. */
export function tokenOf({ fileId, size, done, also, digest }: Reached): string {
  return Buffer.from(JSON.stringify({ v: 1, id: fileId, size, done, also, digest })).toString('base64url')
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

function wrong(): SentinelError {
  return new SentinelError(
    'mtproto.transfer',
    'mtproto.upload: `resume` is no token of an upload. Pass what onProgress told last, or leave it out to begin anew.',
  )
}
