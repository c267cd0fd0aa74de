/** Encodes bytes as text for JSON. Works in chunks, because the number of arguments of a call is limited. */
export function textOf(bytes: Uint8Array): string {
  let binary = ''
  for (let from = 0; from < bytes.length; from += 8192) {
    binary += String.fromCharCode(...bytes.subarray(from, from + 8192))
  }
  return btoa(binary)
}

/** Decodes a text to this number of bytes; returns undefined if it does not contain them. */
export function bytesOf(text: unknown, length: number): Uint8Array | undefined {
  if (typeof text !== 'string' || text.length !== Math.ceil(length / 3) * 4) return undefined
  let binary: string
  try {
    binary = atob(text)
  } catch {
    // Not written by this package.
    return undefined
  }
  return binary.length === length ? Uint8Array.from(binary, (char) => char.charCodeAt(0)) : undefined
}
