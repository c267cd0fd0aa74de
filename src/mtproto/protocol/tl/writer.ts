import { FALSE, TlError, type TlObject, type TlValue, TRUE, VECTOR } from './object.js'
import type { Combinator, Field, Schema } from './schema.js'

/** Serializes objects according to a schema. Flags follow from the fields that are present. */
export class TlWriter {
  #data = Buffer.allocUnsafe(512)
  #pos = 0

  constructor(private readonly schema: Schema) {}

  result(): Buffer {
    return this.#data.subarray(0, this.#pos)
  }

  uint(value: number): this {
    const at = this.#room(4)
    this.#data.writeUInt32LE(value >>> 0, at)
    return this
  }

  long(value: bigint): this {
    const at = this.#room(8)
    this.#data.writeBigUInt64LE(BigInt.asUintN(64, value), at)
    return this
  }

  double(value: number): this {
    const at = this.#room(8)
    this.#data.writeDoubleLE(value, at)
    return this
  }

  raw(value: Uint8Array): this {
    const at = this.#room(value.byteLength)
    this.#data.set(value, at)
    return this
  }

  bytes(value: Uint8Array): this {
    const { byteLength: length } = value
    const long = length >= 254
    const padding = (4 - ((length + (long ? 4 : 1)) % 4)) % 4
    const at = this.#room((long ? 4 : 1) + length + padding)
    if (long) {
      this.#data[at] = 254
      this.#data.writeUIntLE(length, at + 1, 3)
    } else this.#data[at] = length
    const from = at + (long ? 4 : 1)
    this.#data.set(value, from)
    this.#data.fill(0, from + length, from + length + padding)
    return this
  }

  object(value: TlObject): this {
    const combinator = this.schema.byName(value._)
    if (combinator === undefined) throw new TlError(`${value._} is not in the schema`)
    this.uint(combinator.id)
    return this.fields(combinator, value)
  }

  /** Writes a vector of objects or longs, such as some methods return. */
  vector(values: readonly TlValue[]): this {
    this.uint(VECTOR).uint(values.length)
    for (const value of values) this.any(value)
    return this
  }

  any(value: TlValue): this {
    if (typeof value === 'boolean') return this.uint(value ? TRUE : FALSE)
    if (typeof value === 'bigint') return this.long(value)
    if (typeof value === 'number') return this.uint(value)
    if (Array.isArray(value)) return this.vector(value)
    if (typeof value === 'object' && '_' in value) return this.object(value as TlObject)
    throw new TlError('vectors of results cannot contain texts or bytes')
  }

  fields({ name, arguments: fields }: Combinator, value: TlObject): this {
    for (const field of fields) {
      if (field.type === '#') this.uint(flagsOf(field.name, fields, value))
      else this.#field(name, field, value[field.name])
    }
    return this
  }

  #field(owner: string, field: Field, value: TlValue | undefined): void {
    const { predicate, isVector, isBareVector } = field.typeModifiers ?? {}
    if (predicate !== undefined && (field.type === 'true' || value === undefined)) return
    if (value === undefined) throw new TlError(`${owner}.${field.name} is missing`)
    if (isVector !== true && isBareVector !== true) {
      this.#single(owner, field, value)
      return
    }
    if (!Array.isArray(value)) throw new TlError(`${owner}.${field.name} is not a list`)
    if (isVector === true) this.uint(VECTOR)
    this.uint(value.length)
    for (const item of value) this.#single(owner, field, item)
  }

  #single(owner: string, { name, type, typeModifiers }: Field, value: TlValue): void {
    switch (type) {
      case 'int':
        this.uint(value as number)
        return
      case 'long':
      case 'int53':
        this.long(BigInt(value as number | bigint))
        return
      case 'double':
        this.double(value as number)
        return
      case 'string':
        this.bytes(Buffer.from(value as string, 'utf8'))
        return
      case 'bytes':
        this.bytes(value as Uint8Array)
        return
      case 'int128':
      case 'int256':
        this.raw(value as Uint8Array)
        return
    }
    if (typeof value === 'boolean') {
      this.uint(value ? TRUE : FALSE)
      return
    }
    if (typeof value !== 'object' || !('_' in value)) throw new TlError(`${owner}.${name} is not a ${type}`)
    const bare =
      typeModifiers?.isBareType === true ? this.schema.byId(typeModifiers.constructorId ?? 0) : undefined
    if (bare === undefined) this.object(value as TlObject)
    else this.fields(bare, value as TlObject)
  }

  #room(length: number): number {
    const at = this.#pos
    const needed = at + length
    if (needed > this.#data.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.#data.length * 2))
      larger.set(this.#data.subarray(0, at))
      this.#data = larger
    }
    this.#pos = needed
    return at
  }
}

function flagsOf(name: string, fields: readonly Field[], value: TlObject): number {
  let flags = 0
  for (const { name: field, typeModifiers } of fields) {
    const [owner, bit] = typeModifiers?.predicate?.split('.') ?? []
    if (owner === name && isPresent(value[field], fields, field)) flags |= 1 << Number(bit)
  }
  return flags
}

/** A `flags.N?true` field that is false is absent, but a Bool that is false is present. */
function isPresent(value: TlValue | undefined, fields: readonly Field[], name: string): boolean {
  if (value !== false) return value !== undefined
  return fields.find((field) => field.name === name)?.type !== 'true'
}

/** Serializes an object. */
export function encodeObject(schema: Schema, value: TlObject): Buffer {
  return new TlWriter(schema).object(value).result()
}
