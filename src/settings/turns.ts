/** What is under way, by whom it is for and where. */
const underWay = new WeakMap<object, Map<string, Promise<void>>>()

/**
 * Does work in a chat when what was begun there before has ended: whoever reads, changes and shows does not see another change in
 * between. Where there is none under way nothing is kept.
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
