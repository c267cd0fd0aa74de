import type { MaybePromise } from '../../core/check.js'
import { turn } from '../../core/turn.js'

/** An item of a map, numbered in the order of insertion. The number serves as the cursor of pages. */
interface Numbered {
  readonly serial: number
}

interface Position<K, T> {
  readonly of: ReadonlyMap<K, T>
  readonly from: string
  readonly ahead: K
  readonly rest: Iterator<[K, T]>
}

/** A page of a map, and the cursor of the next page; the last page has none. */
interface ReadPage<K, T> {
  readonly found: readonly [K, T][]
  readonly next?: string
}

const PAGE = 1000

/**
 * Reads maps page by page. Cursors are serials, so removals between two pages cause no item to be skipped. The last iterator is
 * kept, so that the next page need not search for its start.
 */
export class PageReader<K, T extends Numbered> {
  private reading: Position<K, T> | undefined

  /** Reads a page: the first one at once, each further one after a turn of the event loop. */
  paged<Page>(from: string | undefined, read: () => Page): MaybePromise<Page> {
    return from === undefined ? read() : turn().then(read)
  }

  page(
    held: ReadonlyMap<K, T>,
    from: string | undefined,
    size: number | undefined,
    isLive: (item: T) => boolean,
  ): ReadPage<K, T> {
    const begin = from ?? '0'
    const known = this.reading?.of === held && this.reading.from === begin ? this.reading : undefined
    const rest = known?.rest ?? held.entries()
    const start = Number(begin)
    const most = Math.max(1, size ?? PAGE)
    const found: [K, T][] = []
    this.reading = undefined
    // The item read ahead may have been removed or replaced meanwhile.
    const ahead = known === undefined ? undefined : held.get(known.ahead)
    let next: [K, T] | undefined
    if (known !== undefined && ahead !== undefined && ahead.serial === start) next = [known.ahead, ahead]
    for (next ??= nextOf(rest); next !== undefined; next = nextOf(rest)) {
      const [key, item] = next
      if (item.serial < start || !isLive(item)) continue
      if (found.length === most) {
        const after = String(item.serial)
        this.reading = { of: held, from: after, ahead: key, rest }
        return { found, next: after }
      }
      found.push(next)
    }
    return { found }
  }
}

function nextOf<K, T>(iterator: Iterator<[K, T]>): [K, T] | undefined {
  const { done, value } = iterator.next()
  return done === true ? undefined : value
}
