/**
 * Returns a function that numbers admissions, so many at a time, and returns the first number. It begins at random among 2^52, so
 * that the numbers of processes, by which a storage knows who took a claim, differ.
 */
export function serials(): (count?: number) => number {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2))
  let next = (high >>> 12) * 2 ** 32 + low
  return (count = 1) => {
    const first = next
    next += count
    return first
  }
}
