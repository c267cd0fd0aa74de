import { SentinelError } from '../../../core/errors.js'

/**
 * What can be uploaded: bytes, a `Blob` (or a `File`, or what `fs.openAsBlob()` gives), or a stream of bytes, read as it is sent.
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

/** "524288 % part_size = 0" (https://core.telegram.org/api/files#uploading-files): the largest there is. */
export const PART = 512 * 1024

/** A piece of a source, in order. */
export interface SourcePart {
  readonly number: number
  readonly bytes: Uint8Array
  /** Whether nothing comes after it. */
  readonly isLast: boolean
}

/** A source that is read part by part, in order. */
export interface SourceParts {
  /** Undefined: nobody knows before its end. */
  readonly size: number | undefined
  /** What the source calls itself. */
  readonly name?: string
  readonly type?: string
  parts(): AsyncGenerator<SourcePart, void, undefined>
}

/**
 * Reads a source by parts. Never more than two of them are in memory here.
 *
 * @throws SentinelError `mtproto.transfer` when it is none.
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
    'mtproto.upload: that is no source. Give bytes, a Blob, a ReadableStream or an async iterable of bytes.',
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

/** Cuts what comes in pieces of any size into parts; one is held back, for it may be the last. */
async function* cut(source: AsyncIterable<Uint8Array>): AsyncGenerator<SourcePart, void, undefined> {
  let part = new Uint8Array(PART)
  let filled = 0
  let held: Uint8Array | undefined
  let number = 0
  for await (const piece of source) {
    if (!(piece instanceof Uint8Array)) {
      throw new SentinelError(
        'mtproto.transfer',
        'mtproto.upload: the stream gave something other than bytes. Take its encoding off.',
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
