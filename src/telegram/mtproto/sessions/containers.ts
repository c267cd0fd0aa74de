import { CONTAINER } from '../../../mtproto/protocol/tl/object.js'
import type { TlReader } from '../../../mtproto/protocol/tl/reader.js'
import { TransportError } from './transport-error.js'

/**
 * Size of a container's header (constructor id and count), and of each message's header (id, sequence number, length)
 * (https://core.telegram.org/mtproto/service_messages#containers).
 */
const HEAD = 8
export const PART = 16
/** Maximum number of messages in a container. */
export const MOST_CONTAINED = 1020
/**
 * `message#5bb8e511`, which some clients put before the message in a copy. It cannot be the start of a message id, because those
 * of clients are divisible by four.
 */
const MESSAGE = 0x5bb8e511

/** A message inside a container or a copy. */
interface Part {
  readonly id: bigint
  readonly seqNo: number
  readonly body: Buffer
}

/** Reads the messages of a container; undefined if it is malformed. Throws a {@link TransportError} if there are too many. */
export function partsOf(reader: TlReader): readonly Part[] | undefined {
  const count = reader.uint()
  if (count > MOST_CONTAINED) throw new TransportError(-429)
  const parts: Part[] = []
  for (let i = 0; i < count; i++) {
    const part = partOf(reader)
    if (part === undefined) return undefined
    parts.push(part)
  }
  return parts
}

/** Reads the message of a copy; undefined if it is malformed. */
export function originalOf(reader: TlReader): Part | undefined {
  if (reader.left >= 4 && reader.peek() === MESSAGE) reader.uint()
  return partOf(reader)
}

function partOf(reader: TlReader): Part | undefined {
  if (reader.left < PART) return undefined
  const id = BigInt.asUintN(64, reader.long())
  const seqNo = reader.int()
  const length = reader.int()
  if (length < 0 || length % 4 !== 0 || length > reader.left) return undefined
  return { id, seqNo, body: reader.raw(length) }
}

/**
 * Returns the lowest id among a message and its contents. A client that is told with which message a session begins resends all
 * earlier ones, and the contents of a container have lower ids than the container.
 */
export function leastIdOf(id: bigint, body: Uint8Array): bigint {
  const data = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  if (data.length < HEAD || data.readUInt32LE(0) !== CONTAINER) return id
  let least = id
  let left = data.readUInt32LE(4)
  // Malformed containers are reported when they are read.
  for (let at = HEAD; left > 0 && at + PART <= data.length; left--) {
    const inner = data.readBigUInt64LE(at)
    if (inner < least) least = inner
    at += PART + data.readUInt32LE(at + 12)
  }
  return least
}

/** Builds the body of a container. */
export function contained(messages: readonly Part[]): Buffer {
  const body = Buffer.allocUnsafe(messages.reduce((size, each) => size + PART + each.body.length, HEAD))
  body.writeUInt32LE(CONTAINER, 0)
  body.writeUInt32LE(messages.length, 4)
  let at = HEAD
  for (const { id, seqNo, body: own } of messages) {
    body.writeBigUInt64LE(BigInt.asUintN(64, id), at)
    body.writeInt32LE(seqNo, at + 8)
    body.writeUInt32LE(own.length, at + 12)
    body.set(own, at + PART)
    at += PART + own.length
  }
  return body
}
