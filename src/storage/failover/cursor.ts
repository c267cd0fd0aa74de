import { SentinelError } from '../../core/errors.js'

/** Where a scan continues: the storage, and that storage's own cursor, which no other storage understands. */
interface Cursor {
  readonly index: number
  readonly from: string
}

interface Page {
  readonly next?: string
}

/** Prefixes the cursor of a page with the index of its storage. */
export function pageOf<P extends Page>(page: P, index: number): P {
  return page.next === undefined ? page : { ...page, next: `${index} ${page.next}` }
}

/** @throws SentinelError `value.invalid` for a text that is not a cursor of a scan. */
export function cursorOf(next: string, storages: number): Cursor {
  const [, digits, from] = /^(\d{1,4}) (.*)$/s.exec(next) ?? []
  const index = Number(digits)
  if (from !== undefined && index < storages) return { index, from }
  throw new SentinelError(
    'value.invalid',
    'scan: that is not a valid cursor. Pass next of the previous page, or nothing to start over.',
  )
}
