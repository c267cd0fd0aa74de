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
