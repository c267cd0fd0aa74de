/** Sets an entry as the newest; beyond `most` entries the one that was set longest ago is dropped. */
export function setNewest<K, V>(map: Map<K, V>, key: K, value: V, most: number): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > most) dropOldest(map)
}

export function dropOldest<K>(entries: Map<K, unknown> | Set<K>): void {
  for (const oldest of entries.keys()) {
    entries.delete(oldest)
    return
  }
}
