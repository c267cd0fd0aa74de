import { IntermediatePacketCodec } from '@mtcute/core'
import { MOST_PQ } from './crypto.js'

/** resPQ (https://core.telegram.org/mtproto/auth_key#2-server-sends-response-of-the-form), and where its parts are. */
const RES_PQ = 0x05162463
const CONSTRUCTOR_AT = 20
const PQ_AT = CONSTRUCTOR_AT + 4 + 16 + 16

/**
 * How messages follow each other. mtcute looks whether a `pq` is prime before anything else, however long it is: one that is longer than any
 * of Telegram's, which anybody on the way could send, would keep the process busy for ever. It is passed over, as if the server were silent.
 */
export class PacketCodec extends IntermediatePacketCodec {
  override decode(...args: Parameters<IntermediatePacketCodec['decode']>): Uint8Array | null {
    for (;;) {
      const frame = super.decode(...args)
      if (frame === null || pqLength(frame) <= MOST_PQ) return frame
    }
  }
}

/** Its first byte is its length, or says that the length is no single byte. */
function pqLength(frame: Uint8Array): number {
  if (frame.length <= PQ_AT || frame.subarray(0, 8).some((byte) => byte !== 0)) return 0
  const view = new DataView(frame.buffer, frame.byteOffset)
  return view.getUint32(CONSTRUCTOR_AT, true) === RES_PQ ? view.getUint8(PQ_AT) : 0
}
