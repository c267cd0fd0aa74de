import { SentinelError } from '../core/errors.js'

/** Where a scan goes on: in which storage, and where in it. A cursor means nothing to any other. */
export interface Cursor {
  readonly index: number
  readonly from: string
}

interface Page {
  readonly next?: string
}

/** A page whose next begins in the same storage. */
export function pageOf<P extends Page>(page: P, index: number): P {
  return page.next === undefined ? page : { ...page, next: `${index} ${page.next}` }
}

/** @throws SentinelError `value.invalid` for what no scan has told. */
export function cursorOf(next: string, storages: number): Cursor {
  const [, digits, from] = /^(\d{1,4}) (.*)$/s.exec(next) ?? []
  const index = Number(digits)
  if (from !== undefined && index < storages) return { index, from }
  throw new SentinelError(
    'value.invalid',
    'scan: that is no place to go on from. Pass the next of the page before, or nothing to begin anew.',
  )
}
