import { CONTAINER } from '../../../mtproto/protocol/tl/object.js'
import type { TlReader } from '../../../mtproto/protocol/tl/reader.js'
import { TransportError } from './transport-error.js'

/** A container's own number and count, then each message's id, number and length (https://core.telegram.org/mtproto/service_messages#containers). */
const HEAD = 8
export const PART = 16
/** Messages in one, at most. */
export const MOST_CONTAINED = 1020
/** `message#5bb8e511`, by which a message in a copy may begin. It is no number of one, for those are divisible by four. */
const MESSAGE = 0x5bb8e511

/** A message within another. */
export interface Part {
  readonly id: bigint
  readonly seqNo: number
  readonly body: Buffer
}

/** What is in a container; undefined if it is none. Throws a {@link TransportError} where it is too much. */
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

/** What a copy is of; undefined if it is none. */
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
 * The least id among a message and those in it. Whoever is told that a session begins with a message sends again all that came
 * before it, and what is in a container comes before the container.
 */
export function leastIdOf(id: bigint, body: Uint8Array): bigint {
  const data = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  if (data.length < HEAD || data.readUInt32LE(0) !== CONTAINER) return id
  let least = id
  let left = data.readUInt32LE(4)
  // What is malformed is complained of when it is read.
  for (let at = HEAD; left > 0 && at + PART <= data.length; left--) {
    const inner = data.readBigUInt64LE(at)
    if (inner < least) least = inner
    at += PART + data.readUInt32LE(at + 12)
  }
  return least
}

/** The body of a container of these, in order. */
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
