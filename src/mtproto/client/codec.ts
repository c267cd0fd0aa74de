import { IntermediatePacketCodec } from '@mtcute/core'
import { MOST_PQ } from './crypto.js'

/**
 * Constructor id of resPQ (https://core.telegram.org/mtproto/auth_key#2-server-sends-response-of-the-form), and offsets of its
 * parts.
 */
const RES_PQ = 0x05162463
const CONSTRUCTOR_AT = 20
const PQ_AT = CONSTRUCTOR_AT + 4 + 16 + 16

/**
 * mtcute tests whether a `pq` is prime before anything else, whatever its length. Anybody on the network path could send one
 * longer than Telegram's and so block the process for ever; such a frame is dropped, as if the server had sent nothing.
 */
export class PacketCodec extends IntermediatePacketCodec {
  override decode(...args: Parameters<IntermediatePacketCodec['decode']>): Uint8Array | null {
    for (;;) {
      const frame = super.decode(...args)
      if (frame === null || pqLength(frame) <= MOST_PQ) return frame
    }
  }
}

/** The first byte of TL bytes is their length, or marks a longer length field. */
function pqLength(frame: Uint8Array): number {
  if (frame.length <= PQ_AT || frame.subarray(0, 8).some((byte) => byte !== 0)) return 0
  const view = new DataView(frame.buffer, frame.byteOffset)
  return view.getUint32(CONSTRUCTOR_AT, true) === RES_PQ ? view.getUint8(PQ_AT) : 0
}
