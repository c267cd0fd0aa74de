/** Returns the known name closest to a mistyped one; undefined if none is close. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let least = Math.min(2, Math.ceil(name.length / 2)) + 1
  for (const candidate of known) {
    const slips = distance(name.toLowerCase(), candidate.toLowerCase())
    if (slips >= least) continue
    best = candidate
    least = slips
  }
  return best
}

/** Returns a suggestion to append to the error for an unknown name; empty if no known name is close. */
export function hintAt(name: unknown, known: readonly string[]): string {
  const meant = typeof name === 'string' ? nearest(name, known) : undefined
  return meant === undefined ? '' : ` Did you mean "${meant}"?`
}

/** Levenshtein distance, computed row by row. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(swap, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}
