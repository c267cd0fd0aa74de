import type { TlObject } from '../../../../mtproto/protocol/tl/object.js'

/** How many entries a client asks for, within what an answer may hold. */
export function limitOf(request: TlObject, most: number): number {
  return Math.max(0, Math.min(most, request.limit as number))
}

/** The part of a list that a client requests, latest first (https://core.telegram.org/api/offsets). */
interface Page {
  readonly offsetId: number
  /** Unix time in seconds. */
  readonly offsetDate: number
  /** Positive: skips this many entries after the offset. Negative: includes this many entries before it. */
  readonly addOffset: number
  readonly limit: number
  /** Only ids below this one; 0: no bound. */
  readonly maxId: number
  /** Only ids above this one. */
  readonly minId: number
}

interface Numbered {
  readonly id: number
  readonly date: number
}

/** Returns a page of a list that is sorted by id, latest first. */
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
