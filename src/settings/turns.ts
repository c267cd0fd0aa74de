/** The last task of each place, by owner. */
const underWay = new WeakMap<object, Map<string, Promise<void>>>()

/**
 * Runs tasks for one place one after the other, so that a task that reads, changes and shows something sees no other change in
 * between. Places without running tasks are not remembered.
 */
export async function inTurn<T>(whose: object, place: string, work: () => Promise<T>): Promise<T> {
  const places = underWay.get(whose) ?? new Map<string, Promise<void>>()
  underWay.set(whose, places)
  const own = (places.get(place) ?? Promise.resolve()).then(work)
  const ended = own.then(
    () => undefined,
    () => undefined,
  )
  places.set(place, ended)
  try {
    return await own
  } finally {
    if (places.get(place) === ended) places.delete(place)
  }
}
