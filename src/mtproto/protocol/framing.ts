import { type Cipher, createCipheriv } from 'node:crypto'

/** A payload, and whether the sender requests a quick acknowledgement. */
export interface Frame {
  readonly payload: Buffer
  readonly quickAck: boolean
}

/** A transport framing: how payloads are delimited on a connection (https://core.telegram.org/mtproto/mtproto-transports). */
export interface Framing {
  readonly name: string
  /** Returns the next frame once it is complete. Throws {@link FramingError} for bytes that cannot be a frame. */
  next(data: Buffered): Frame | undefined
  wrap(payload: Uint8Array): Buffer
  /** The four bytes of a quick acknowledgement. */
  acknowledge(token: number): Buffer
}

export class FramingError extends Error {
  override readonly name = 'FramingError'
}

/** Maximum size of a frame; the largest legitimate ones are file parts of half a megabyte. */
export const MOST_FRAME = 2 * 1024 * 1024

/** Maximum number of chunks that are kept separately. */
const MOST_CHUNKS = 32

/** Bytes received and not read yet. Chunks are joined only when read, because a large frame may arrive in tiny pieces. */
export class Buffered {
  #chunks: Buffer[] = []
  #length = 0

  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#length += chunk.length
    // Keeps each chunk larger than the ones after it: there are few chunks, and each byte is copied only a few times.
    for (let n = this.#chunks.length; n > MOST_CHUNKS; n--) {
      const [before, last] = this.#chunks.slice(-2) as [Buffer, Buffer]
      if (before.length > last.length) break
      this.#chunks.splice(-2, 2, Buffer.concat([before, last]))
    }
  }

  get length(): number {
    return this.#length
  }

  /** Returns the first bytes without removing them: `length` of them, or fewer if there are no more. */
  peek(length: number): Buffer {
    const [first] = this.#chunks
    if (first === undefined || first.length >= length || this.#chunks.length === 1) {
      return first?.subarray(0, length) ?? Buffer.alloc(0)
    }
    let [count, bytes] = [0, 0]
    while (bytes < length && count < this.#chunks.length) bytes += (this.#chunks[count++] as Buffer).length
    return Buffer.concat(this.#chunks.slice(0, count), Math.min(bytes, length))
  }

  take(length: number): Buffer {
    const [first] = this.#chunks
    if (first !== undefined && first.length < length && this.#chunks.length > 1) {
      this.#chunks = [Buffer.concat(this.#chunks, this.#length)]
    }
    const all = this.#chunks[0] ?? Buffer.alloc(0)
    const taken = all.subarray(0, length)
    if (taken.length === all.length) this.#chunks.shift()
    else this.#chunks[0] = all.subarray(length)
    this.#length -= taken.length
    return taken
  }
}

function checked(length: number): number {
  if (length <= 0 || length > MOST_FRAME) throw new FramingError(`a frame of ${length} bytes`)
  return length
}

/** Length in 4-byte words, encoded in one byte or four. */
export const abridged: Framing = {
  name: 'abridged',
  next(data) {
    if (data.length < 1) return undefined
    const head = data.peek(4)
    const first = (head[0] as number) & 0x7f
    const isLong = first === 0x7f
    if (isLong && head.length < 4) return undefined
    const length = checked((isLong ? head.readUIntLE(1, 3) : first) * 4)
    const header = isLong ? 4 : 1
    if (data.length < header + length) return undefined
    const quickAck = ((head[0] as number) & 0x80) !== 0
    data.take(header)
    return { payload: data.take(length), quickAck }
  },
  wrap(payload) {
    const words = payload.byteLength / 4
    if (words < 0x7f) return Buffer.concat([Buffer.from([words]), payload])
    const header = Buffer.from([0x7f, 0, 0, 0])
    header.writeUIntLE(words, 1, 3)
    return Buffer.concat([header, payload])
  },
  acknowledge(token) {
    const bytes = Buffer.alloc(4)
    // Byte order reversed, so that it cannot be mistaken for a length.
    bytes.writeUInt32BE((token | 0x80000000) >>> 0, 0)
    return bytes
  },
}

const QUICK = 0x80000000

function intermediateLike(name: string, pad: () => Uint8Array): Framing {
  return {
    name,
    next(data) {
      if (data.length < 4) return undefined
      const head = data.peek(4).readUInt32LE(0)
      const length = checked((head & ~QUICK) >>> 0)
      if (data.length < 4 + length) return undefined
      data.take(4)
      return { payload: data.take(length), quickAck: (head & QUICK) !== 0 }
    },
    wrap(payload) {
      const padding = pad()
      const header = Buffer.alloc(4)
      header.writeUInt32LE(payload.byteLength + padding.byteLength, 0)
      return Buffer.concat([header, payload, padding])
    },
    acknowledge(token) {
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32LE((token | QUICK) >>> 0, 0)
      return bytes
    },
  }
}

/** Length in bytes, encoded in four bytes. */
export const intermediate: Framing = intermediateLike('intermediate', () => new Uint8Array())

/** Like `intermediate`, with up to fifteen bytes of padding, so that lengths reveal nothing. */
export const paddedIntermediate: Framing = intermediateLike('padded', () => {
  return new Uint8Array(Math.floor(Math.random() * 16))
})

/** Length, sequence number and checksum. Stateful, so every connection needs its own. */
export function full(): Framing {
  let received = 0
  let sent = 0
  return {
    name: 'full',
    next(data) {
      if (data.length < 12) return undefined
      const length = checked(data.peek(4).readUInt32LE(0))
      if (length < 12 || length % 4 !== 0) throw new FramingError(`a frame of ${length} bytes`)
      if (data.length < length) return undefined
      const frame = data.take(length)
      if (frame.readUInt32LE(4) !== received) throw new FramingError('a frame is missing')
      if (frame.readUInt32LE(length - 4) !== crc32(frame.subarray(0, length - 4))) {
        throw new FramingError('a checksum is wrong')
      }
      received++
      return { payload: frame.subarray(8, length - 4), quickAck: false }
    },
    wrap(payload) {
      const frame = Buffer.alloc(payload.byteLength + 12)
      frame.writeUInt32LE(frame.length, 0)
      frame.writeUInt32LE(sent++, 4)
      frame.set(payload, 8)
      frame.writeUInt32LE(crc32(frame.subarray(0, frame.length - 4)), frame.length - 4)
      return frame
    },
    // This framing has no quick acknowledgements.
    acknowledge: () => Buffer.alloc(0),
  }
}

const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})

/** The CRC-32 of zlib, which Node has only from version 22 on. */
function crc32(data: Uint8Array): number {
  let crc = -1
  for (const byte of data) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ byte) & 0xff] as number)
  return (crc ^ -1) >>> 0
}

/** The obfuscation of a connection (`obfuscated2`), against detection of MTProto. */
export interface Veil {
  incoming(data: Buffer): Buffer
  outgoing(data: Buffer): Buffer
}

/** How a connection starts: its framing, and obfuscation if any. */
export interface Opening {
  readonly framing: Framing
  readonly veil?: Veil
  /** The data centre that an obfuscated client asks for; negative for media. */
  readonly dc?: number
}

const PLAIN: ReadonlyMap<number, () => Framing> = new Map([
  [0xeeeeeeee, () => intermediate],
  [0xdddddddd, () => paddedIntermediate],
])
const VEILED: ReadonlyMap<number, () => Framing> = new Map([...PLAIN, [0xefefefef, () => abridged]])

/**
 * Detects the transport from a client's first bytes and consumes them; undefined until enough bytes have arrived. Throws
 * {@link FramingError} for an unknown transport.
 */
export function openingOf(data: Buffered): Opening | undefined {
  if (data.length < 1) return undefined
  if (data.peek(1)[0] === 0xef) {
    data.take(1)
    return { framing: abridged }
  }
  if (data.length < 4) return undefined
  const plain = PLAIN.get(data.peek(4).readUInt32LE(0))
  if (plain !== undefined) {
    data.take(4)
    return { framing: plain() }
  }
  if (data.length < 8) return undefined
  // The first sequence number of `full` is zero, which obfuscated clients avoid at this place.
  if (data.peek(8).readUInt32LE(4) === 0) return { framing: full() }
  return data.length < 64 ? undefined : unveil(data.take(64))
}

function unveil(first: Buffer): Opening {
  const reversed = Buffer.from(first.subarray(8, 56)).reverse()
  const from = ctr(first.subarray(8, 40), first.subarray(40, 56))
  const to = ctr(reversed.subarray(0, 32), reversed.subarray(32, 48))
  const plain = from.update(first)
  const framing = VEILED.get(plain.readUInt32LE(56))
  if (framing === undefined) throw new FramingError('an unknown transport')
  return {
    framing: framing(),
    veil: { incoming: (data) => from.update(data), outgoing: (data) => to.update(data) },
    dc: plain.readInt16LE(60),
  }
}

function ctr(key: Uint8Array, iv: Uint8Array): Cipher {
  return createCipheriv('aes-256-ctr', key, iv)
}
