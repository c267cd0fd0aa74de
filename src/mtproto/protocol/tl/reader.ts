import { unzipSync } from 'node:zlib'
import { FALSE, GZIP, TlError, type TlObject, type TlValue, TRUE, VECTOR } from './object.js'
import type { Combinator, Field, Schema } from './schema.js'

/** Maximum size of all unpacked data of a message, far above anything legitimate: frames have a megabyte at most. */
const MOST_UNPACKED = 16 * 1024 * 1024
/** Maximum nesting: above that of any request, and below what would overflow the stack. */
const DEEPEST = 100

/** Parses TL data from the network, none of which is trusted. */
export class TlReader {
  pos = 0
  readonly #data: Buffer

  constructor(
    private readonly schema: Schema,
    data: Uint8Array,
    /** How deep the reader is, and how much it may still unpack. Shared with the readers of packed data within. */
    private readonly bounds = { depth: 0, unpackable: MOST_UNPACKED },
  ) {
    this.#data = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  }

  get left(): number {
    return this.#data.length - this.pos
  }

  int(): number {
    return this.#data.readInt32LE(this.#take(4))
  }

  uint(): number {
    return this.#data.readUInt32LE(this.#take(4))
  }

  /** Returns the next {@link uint} without consuming it. */
  peek(): number {
    const id = this.uint()
    this.pos -= 4
    return id
  }

  long(): bigint {
    return this.#data.readBigInt64LE(this.#take(8))
  }

  double(): number {
    return this.#data.readDoubleLE(this.#take(8))
  }

  raw(length: number): Buffer {
    const from = this.#take(length)
    return this.#data.subarray(from, from + length)
  }

  bytes(): Buffer {
    const first = this.raw(1)[0] as number
    const long = first === 254
    if (first === 255) throw new TlError('255 is not a length of bytes')
    const length = long ? this.raw(3).readUIntLE(0, 3) : first
    const value = this.raw(length)
    this.#take((4 - ((length + (long ? 4 : 1)) % 4)) % 4)
    return value
  }

  /** Reads an object of any constructor. */
  object(): TlObject {
    const value = this.boxed()
    if (typeof value === 'object' && '_' in value) return value as TlObject
    throw new TlError('a value instead of an object')
  }

  boxed(): TlValue {
    const id = this.uint()
    switch (id) {
      case TRUE:
        return true
      case FALSE:
        return false
      case VECTOR:
        return this.#nested(() => this.#items(() => this.boxed()))
      case GZIP:
        return this.#nested(() => this.#unpacked())
    }
    const combinator = this.schema.byId(id)
    if (combinator === undefined) throw new TlError(`#${id.toString(16).padStart(8, '0')} is unknown`)
    return this.fields(combinator)
  }

  fields({ name, arguments: fields }: Combinator): TlObject {
    return this.#nested(() => {
      const object: Record<string, TlValue> = Object.create(null)
      object._ = name
      for (const field of fields) {
        const value = this.#field(field, object)
        if (value !== undefined) object[field.name] = value
      }
      return object as TlObject
    })
  }

  #field(field: Field, object: Readonly<Record<string, TlValue>>): TlValue | undefined {
    const { predicate, isVector, isBareVector } = field.typeModifiers ?? {}
    if (predicate !== undefined) {
      const [flags, bit] = predicate.split('.') as [string, string]
      const isSet = (((object[flags] as number) >>> Number(bit)) & 1) === 1
      if (field.type === 'true') return isSet ? true : undefined
      if (!isSet) return undefined
    }
    if (isVector !== true && isBareVector !== true) return this.#single(field)
    if (isVector === true && this.uint() !== VECTOR) throw new TlError(`${field.name} is not a vector`)
    return this.#items(() => this.#single(field))
  }

  #single({ type, typeModifiers }: Field): TlValue {
    switch (type) {
      case '#':
        return this.uint()
      case 'int':
        return this.int()
      case 'long':
      case 'int53':
        return this.long()
      case 'double':
        return this.double()
      case 'string':
        return this.bytes().toString('utf8')
      case 'bytes':
        return this.bytes()
      case 'int128':
        return this.raw(16)
      case 'int256':
        return this.raw(32)
      case 'true':
        return true
    }
    const bare =
      typeModifiers?.isBareType === true ? this.schema.byId(typeModifiers.constructorId ?? 0) : undefined
    return bare === undefined ? this.boxed() : this.fields(bare)
  }

  #items<T>(read: () => T): T[] {
    const count = this.uint()
    // Each item takes at least four bytes: a false count must not cause a huge allocation.
    if (count * 4 > this.left) throw new TlError(`a vector of ${count} in ${this.left} bytes`)
    return Array.from({ length: count }, read)
  }

  #unpacked(): TlValue {
    const data = gunzip(this.bytes(), this.bounds.unpackable)
    this.bounds.unpackable -= data.length
    return new TlReader(this.schema, data, this.bounds).boxed()
  }

  #nested<T>(read: () => T): T {
    if (++this.bounds.depth > DEEPEST) throw new TlError('values nested too deeply')
    const value = read()
    this.bounds.depth--
    return value
  }

  #take(length: number): number {
    if (length > this.left) throw new TlError(`${length} bytes expected, but ${this.left} are left`)
    const from = this.pos
    this.pos += length
    return from
  }
}

/** Accepts both gzip and zlib format, because clients use either. */
function gunzip(data: Uint8Array, most: number): Buffer {
  try {
    return unzipSync(data, { maxOutputLength: most })
  } catch (cause) {
    throw new TlError('not gzip, or too large', { cause })
  }
}
