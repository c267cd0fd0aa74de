/** What a client asks for of a list, latest first (https://core.telegram.org/api/offsets). */
export interface Page {
  readonly offsetId: number
  /** Unix seconds. */
  readonly offsetDate: number
  /** Positive: so many further back. Negative: so many that are later than the offset. */
  readonly addOffset: number
  readonly limit: number
  /** Only below it, if it is not 0. */
  readonly maxId: number
  /** Only above it. */
  readonly minId: number
}

interface Numbered {
  readonly id: number
  readonly date: number
}

/** The page of a list that is sorted by id, latest first. */
export function pageOf<T extends Numbered>(all: readonly T[], page: Page): readonly T[] {
  const { offsetId, offsetDate, addOffset, limit, maxId, minId } = page
  const isPast = ({ id, date }: T) => {
    if (offsetId !== 0) return id < offsetId
    return offsetDate === 0 || date < offsetDate
  }
  const first = all.findIndex(isPast)
  const from = (first < 0 ? all.length : first) + addOffset
  const slice = all.slice(Math.max(0, from), Math.max(0, from + limit))
  return slice.filter(({ id }) => (maxId === 0 || id < maxId) && id > minId)
}
