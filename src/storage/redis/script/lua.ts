/*
 * Pieces of Lua text. A script only contains numbers and texts made by this package; text from users is passed in KEYS and ARGV.
 */

/** Returns a number as an exact Lua literal. */
export function num(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return 'huge'
  return String(value)
}

/** Returns bytes as a Lua string literal, with every byte escaped. */
export function bytes(values: Iterable<number>): string {
  let text = ''
  for (const value of values) text += `\\${String(value).padStart(3, '0')}`
  return `'${text}'`
}

/** Returns the four bytes of a tag. */
export function tagBytes(tag: number): number[] {
  return [tag & 255, (tag >>> 8) & 255, (tag >>> 16) & 255, (tag >>> 24) & 255]
}

export function lines(...parts: readonly (string | false | undefined | readonly string[])[]): string {
  return parts
    .flat()
    .filter((part): part is string => typeof part === 'string' && part !== '')
    .join('\n')
}
