/** An object in an update, whose fields may hold anything. */
export type Fields = Readonly<Record<string, unknown>>

/** Returns a value as an object; undefined if it is none. */
export function asFields(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null ? (value as Fields) : undefined
}
