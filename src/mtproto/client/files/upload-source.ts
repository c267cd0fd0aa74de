import { SentinelError } from '../../../core/errors.js'

/**
 * A source to upload: bytes, a `Blob` (also a `File`, or the result of `fs.openAsBlob()`), or a stream of bytes, which is read
 * while it is sent.
 *
 * @example
 * ```ts
 * import { createReadStream } from 'node:fs'
 * import type { UploadSource } from 'grammy-sentinel/mtproto'
 *
 * const backup: UploadSource = createReadStream('backup.tar')
 * ```
 */
export type UploadSource = Uint8Array | Blob | AsyncIterable<Uint8Array> | ReadableStream<Uint8Array>

/** The largest part size that Telegram allows: "524288 % part_size = 0" (https://core.telegram.org/api/files#uploading-files). */
export const PART = 512 * 1024

/** One part of a source. */
export interface SourcePart {
  readonly number: number
  readonly bytes: Uint8Array
  /** Whether this is the last part. */
  readonly isLast: boolean
}

/** A source that is read part by part, in order. */
interface SourceParts {
  /** Undefined if not known before the end. */
  readonly size: number | undefined
  /** File name that the source carries. */
  readonly name?: string
  readonly type?: string
  parts(): AsyncGenerator<SourcePart, void, undefined>
}

/**
 * Splits a source into parts. Holds at most two of them in memory.
 *
 * @throws SentinelError `mtproto.transfer` if the source is of an unsupported type.
 */
export function partsOf(source: UploadSource, size: number | undefined): SourceParts {
  if (source instanceof Uint8Array) {
    return {
      size: source.length,
      parts: () => slices(source.length, (from, to) => source.subarray(from, to)),
    }
  }
  if (source instanceof Blob) {
    const name = source instanceof File ? { name: source.name } : {}
    const read = async (from: number, to: number) =>
      new Uint8Array(await source.slice(from, to).arrayBuffer())
    return {
      size: source.size,
      ...name,
      ...(source.type !== '' && { type: source.type }),
      parts: () => slices(source.size, read),
    }
  }
  if (isIterable(source)) return { size, parts: () => cut(source) }
  throw new SentinelError(
    'mtproto.transfer',
    'mtproto.upload: that is not a source. Give bytes, a Blob, a ReadableStream or an async iterable of bytes.',
  )
}

function isIterable(source: unknown): source is AsyncIterable<Uint8Array> {
  return typeof source === 'object' && source !== null && Symbol.asyncIterator in source
}

async function* slices(
  size: number,
  read: (from: number, to: number) => Uint8Array | Promise<Uint8Array>,
): AsyncGenerator<SourcePart, void, undefined> {
  for (let number = 0; number * PART < size; number++) {
    const to = Math.min(size, (number + 1) * PART)
    yield { number, bytes: await read(number * PART, to), isLast: to === size }
  }
}

/** Cuts a stream into parts; holds one part back, because it may be the last. */
async function* cut(source: AsyncIterable<Uint8Array>): AsyncGenerator<SourcePart, void, undefined> {
  let part = new Uint8Array(PART)
  let filled = 0
  let held: Uint8Array | undefined
  let number = 0
  for await (const piece of source) {
    if (!(piece instanceof Uint8Array)) {
      throw new SentinelError(
        'mtproto.transfer',
        'mtproto.upload: the stream returned something other than bytes. Remove its encoding.',
      )
    }
    for (let from = 0; from < piece.length; ) {
      const some = piece.subarray(from, from + PART - filled)
      part.set(some, filled)
      filled += some.length
      from += some.length
      if (filled < PART) continue
      if (held !== undefined) yield { number: number++, bytes: held, isLast: false }
      held = part
      part = new Uint8Array(PART)
      filled = 0
    }
  }
  const rest = filled === 0 ? undefined : part.subarray(0, filled)
  if (held !== undefined) yield { number: number++, bytes: held, isLast: rest === undefined }
  if (rest !== undefined) yield { number, bytes: rest, isLast: true }
}
