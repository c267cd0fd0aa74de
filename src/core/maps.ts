/**
 * Returns the value that a map holds for a key; where there is none, creates and adds it. Like the proposed
 * `getOrInsertComputed()`, which not all platforms have.
 */
export function getOrInsert<K, V>(
  map: { get(key: K): V | undefined; set(key: K, value: V): unknown },
  key: K,
  create: () => V,
): V {
  let value = map.get(key)
  if (value === undefined) {
    value = create()
    map.set(key, value)
  }
  return value
}

/** Sets a value as the newest of a map that holds so many at most; beyond that the oldest is removed. */
export function setNewest<K, V>(map: Map<K, V>, key: K, value: V, most: number): void {
  map.delete(key)
  if (map.size >= most) map.delete(map.keys().next().value as K)
  map.set(key, value)
}

/** Removes the oldest entries until so many at most are left. */
export function keepLatest<K>(entries: Map<K, unknown> | Set<K>, most: number): void {
  for (const oldest of entries.keys()) {
    if (entries.size <= most) return
    entries.delete(oldest)
  }
}
