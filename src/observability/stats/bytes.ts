/** Bytes as text for JSON. In chunks: the arguments of a call are bounded. */
export function textOf(bytes: Uint8Array): string {
  let binary = ''
  for (let from = 0; from < bytes.length; from += 8192) {
    binary += String.fromCharCode(...bytes.subarray(from, from + 8192))
  }
  return btoa(binary)
}

/** So many bytes out of a text; undefined for a text that does not hold them. */
export function bytesOf(text: unknown, length: number): Uint8Array | undefined {
  if (typeof text !== 'string' || text.length !== Math.ceil(length / 3) * 4) return undefined
  let binary: string
  try {
    binary = atob(text)
  } catch {
    // What somebody else wrote there: it is none of ours.
    return undefined
  }
  return binary.length === length ? Uint8Array.from(binary, (char) => char.charCodeAt(0)) : undefined
}
