import { SentinelError } from '../../../core/errors.js'
import type { Caller } from '../calls/caller.js'
import { untilAborted } from '../calls/until-aborted.js'
import { type FileOrigin, locationOf, type MtprotoFile } from './file.js'
import { FileReader } from './file-reader.js'
import { fileOfOrigin } from './origin.js'
import { PART } from './upload-source.js'

/**
 * Progress of a download.
 *
 * @example
 * ```ts
 * import type { DownloadProgress } from 'grammy-sentinel/mtproto'
 *
 * const line = ({ received, total = 0 }: DownloadProgress) => `${received} of ${total} bytes`
 * ```
 */
export interface DownloadProgress {
  /** Bytes yielded so far, counted from `offset`. To resume later, start at `offset` + `received`. */
  readonly received: number
  /** Total number of bytes to yield; absent if Telegram did not report the size. */
  readonly total?: number
}

/**
 * Options of a download.
 *
 * @example
 * ```ts
 * import type { DownloadOptions } from 'grammy-sentinel/mtproto'
 *
 * const theRest: DownloadOptions = { offset: 1_048_576, onProgress: ({ received }) => console.log(received) }
 * ```
 */
export interface DownloadOptions {
  /** First byte to fetch; any value, without the alignment that Telegram itself requires. Default: 0. */
  readonly offset?: number
  /** Maximum number of bytes. Default: to the end of the file. */
  readonly limit?: number
  /** Parts of 512 KiB fetched ahead and kept in memory: 1 to 16. Default: 4. */
  readonly parallel?: number
  /** Where a `file_id` came from, so that an expired file reference can be renewed. */
  readonly origin?: FileOrigin
  /** Called after each piece. */
  readonly onProgress?: (progress: DownloadProgress) => void
  readonly signal?: AbortSignal
}

const MOST_PARALLEL = 16

/**
 * Downloads a file in order, fetching up to `parallel` parts ahead, which bounds memory. Fetches no further than the caller
 * reads.
 *
 * @throws SentinelError `mtproto.transfer` for invalid options or files; `mtproto.corrupted` if the bytes do not match Telegram's
 * hashes; `mtproto.refused`; the signal's reason.
 */
export async function* download(
  caller: Caller,
  cdn: ConstructorParameters<typeof FileReader>[1],
  what: MtprotoFile | FileOrigin | string,
  options: DownloadOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { offset = 0, limit = Number.POSITIVE_INFINITY, parallel = 4, onProgress, signal } = options
  assertWhole('offset', offset, 0, Number.MAX_SAFE_INTEGER)
  if (limit !== Number.POSITIVE_INFINITY) assertWhole('limit', limit, 0, Number.MAX_SAFE_INTEGER)
  assertWhole('parallel', parallel, 1, MOST_PARALLEL)
  signal?.throwIfAborted()
  const aborting = new AbortController()
  const abort = () => aborting.abort(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  const ahead: Promise<Uint8Array>[] = []
  try {
    const source = await untilAborted(sourceOf(caller, what, options), aborting.signal)
    const reader = new FileReader(caller, cdn, source, aborting.signal)
    const size = reader.size ?? Number.POSITIVE_INFINITY
    const end = Math.min(size, offset + limit)
    const total = end === Number.POSITIVE_INFINITY ? undefined : Math.max(0, end - offset)
    let next = Math.floor(offset / PART) * PART
    let received = 0
    while (next < end || ahead.length > 0) {
      while (ahead.length < parallel && next < end) {
        const part = reader.part(next, PART)
        // An error of this part is thrown later, when the part is awaited.
        part.catch(() => undefined)
        ahead.push(part)
        next += PART
      }
      const at = next - ahead.length * PART
      const part = await (ahead.shift() as Promise<Uint8Array>)
      signal?.throwIfAborted()
      const isLast = part.length < PART
      if (isLast && total !== undefined && at + part.length < end) throw short()
      const piece = part.subarray(Math.max(0, offset - at), Math.max(0, Math.min(part.length, end - at)))
      if (piece.length > 0) {
        received += piece.length
        onProgress?.({ received, ...(total !== undefined && { total }) })
        yield piece
      }
      if (isLast) return
    }
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', abort)
    // Cancels parts that were fetched ahead.
    aborting.abort()
  }
}

async function sourceOf(caller: Caller, what: MtprotoFile | FileOrigin | string, options: DownloadOptions) {
  if (typeof what === 'string') return byFileId(what, options.origin)
  const file = 'access' in what ? what : await fileOfOrigin(caller, what)
  return { file, origin: file.origin, location: await locationOf(file), dc: file.access.dc, size: file.size }
}

/** A `file_id` of the Bot API contains the location of its file; it is valid only for the bot that got it. */
async function byFileId(fileId: string, origin: FileOrigin | undefined) {
  const { fileIdToInputFileLocation } = await import('@mtcute/core/utils.js')
  try {
    return { location: fileIdToInputFileLocation(fileId), origin }
  } catch {
    throw new SentinelError(
      'mtproto.transfer',
      'mtproto.download: that is not a file_id of a photo or document. Pass a file_id of the Bot API, a file of a message, or { chat, message }.',
    )
  }
}

function assertWhole(name: string, value: number, from: number, to: number): void {
  if (Number.isInteger(value) && value >= from && value <= to) return
  throw new SentinelError(
    'mtproto.transfer',
    `mtproto.download: \`${name}\` is not a whole number from ${from} to ${to}. Give one, or leave it out.`,
  )
}

function short(): SentinelError {
  return new SentinelError(
    'mtproto.transfer',
    'mtproto.download: the file is shorter than its size says. Look it up again.',
  )
}
