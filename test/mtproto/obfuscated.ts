import { createCipheriv, randomBytes } from 'node:crypto'
import type { Framing } from '../../src/mtproto/protocol/framing.js'
import type { Speech } from './raw-client.js'

/** Opens the obfuscated2 transport (https://core.telegram.org/mtproto/mtproto-transports#transport-obfuscation). */
export function obfuscated(tag: number, framing: Framing): Speech {
  const first = randomBytes(64)
  first[0] = 0x11
  first[4] = 0x22
  first.writeUInt32LE(tag, 56)
  first.writeInt16LE(2, 60)
  const reversed = Buffer.from(first.subarray(8, 56)).reverse()
  const to = createCipheriv('aes-256-ctr', first.subarray(8, 40), first.subarray(40, 56))
  const from = createCipheriv('aes-256-ctr', reversed.subarray(0, 32), reversed.subarray(32, 48))
  const hidden = to.update(first)
  return {
    framing,
    opening: Buffer.concat([first.subarray(0, 56), hidden.subarray(56)]),
    veil: { incoming: (data) => from.update(data), outgoing: (data) => to.update(data) },
  }
}
