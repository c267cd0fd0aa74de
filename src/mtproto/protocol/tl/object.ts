/** A TL value. `long` is a bigint, `int` and `double` are numbers; `bytes` and the wide integers are byte arrays. */
export type TlValue = number | bigint | string | boolean | Uint8Array | TlObject | readonly TlValue[]

/** A TL object: the name of its constructor or method in `_`, and its fields by their names in the schema. */
export interface TlObject {
  readonly _: string
  readonly [field: string]: TlValue | undefined
}

export const VECTOR = 0x1cb5c415
export const TRUE = 0x997275b5
export const FALSE = 0xbc799737
export const GZIP = 0x3072cfa1
export const CONTAINER = 0x73f1f8dc
export const COPY = 0xe06046b2
export const RPC_RESULT = 0xf35c6d01

/** Data that is not valid TL, or not known to the schema. */
export class TlError extends Error {
  override readonly name = 'TlError'
}
