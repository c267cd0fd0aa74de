/*
 * Pieces of Lua text. Only numbers and texts of our own making go into a script; whatever users write travels in
 * KEYS and ARGV.
 */

/** A number as Lua reads it, exactly. */
export function num(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return 'huge'
  return String(value)
}

/** A text of any bytes, escaped byte by byte. */
export function bytes(values: Iterable<number>): string {
  let text = ''
  for (const value of values) text += `\\${String(value).padStart(3, '0')}`
  return `'${text}'`
}

/** The four bytes of a tag. */
export function tagBytes(tag: number): number[] {
  return [tag & 255, (tag >>> 8) & 255, (tag >>> 16) & 255, (tag >>> 24) & 255]
}

export function lines(...parts: readonly (string | false | undefined | readonly string[])[]): string {
  return parts
    .flat()
    .filter((part): part is string => typeof part === 'string' && part !== '')
    .join('\n')
}
