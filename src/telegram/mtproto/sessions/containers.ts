import { CONTAINER } from '../../../mtproto/protocol/tl/object.js'

/** A container's own number and count, then each message's id, number and length (https://core.telegram.org/mtproto/service_messages#containers). */
const [HEAD, PART] = [8, 16]

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
