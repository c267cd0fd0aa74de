import { depthOf } from '../../../core/limit.js'
import { variantsOf } from '../../contract/plan.js'
import { type Column, formOf, type Layout } from '../layout.js'

/*
 * Shared by the functions that decide only ordinary asks (every cost 0 or 1, no mark that changes anything, enough room) and hand
 * over all others: the condition that a check passes an ask, and what it charges.
 */

/** The SQL expressions by which such a function refers to the current ask. */
export interface Sight {
  /** Whether the check is asked. */
  readonly asked: (column: Column) => string
  /** A cell of the check in its subject's record. */
  readonly cell: (column: Column, nth: number) => string
  /** The token of a claim. */
  readonly token: (column: Column) => string
  /** Whether a subject holds a mark, and whether it does not. */
  readonly held: (subject: number, mark: number) => string
  readonly free: (subject: number, mark: number) => string
  /** The bits of a sequence's chunk, and when the chunk lapses. */
  readonly bits: (column: Column) => string
  readonly lapses: (column: Column) => string
}

/** The variable for the units missing from a bucket once this ask is charged. */
export const missed = ({ index }: Column): string => `o${index}`

export function bucketsOf({ columns }: Layout): Column[] {
  return columns.filter(({ check }) => check.kind === 'bucket')
}

/** Returns the units missing from a bucket after a charge of one. */
export function missing(column: Column, sight: Sight): string {
  const { check } = column
  if (check.kind !== 'bucket') return ''
  const { amount, per } = check.limit
  const full = sight.cell(column, 0)
  return `${per} + CASE WHEN ${full} > now << 19 THEN ((${full} - (now << 19)) >> 19) * ${amount} + ((((${full} - (now << 19)) & 524287) * ${amount} + 262144) >> 19) ELSE 0 END`
}

/** Whether such functions can decide a check at all; some checks are never ordinary. */
export function mayBeOrdinary({ check }: Column): boolean {
  switch (formOf(check)) {
    case 'absent':
    case 'present':
    case 'bucket':
      return true
    case 'sequence':
      return check.kind === 'claim' && check.lease === undefined
    case 'claim':
      return check.kind === 'claim' && check.lease === undefined && check.retry !== true
    default:
      return false
  }
}

/** Returns the condition that the check passes and no mark affects it. */
export function ordinary(column: Column, { marks }: Layout, sight: Sight): string {
  const { check } = column
  if (!mayBeOrdinary(column)) return 'false'
  const conditions: string[] = []
  const free = (subject: number, name: string): string => sight.free(subject, marks.indexOf(name))
  const { unless } = check
  if (unless !== undefined) conditions.push(...unless.anyOf.map((name) => free(unless.subject, name)))
  conditions.push(...variantsOf(check).map(({ mark, subject }) => free(subject, mark)))
  switch (check.kind) {
    case 'absent':
      conditions.push(...check.anyOf.map((name) => free(check.subject, name)))
      break
    case 'present': {
      const held = check.anyOf.map((name) => sight.held(check.subject, marks.indexOf(name)))
      conditions.push(held.length === 0 ? 'false' : `(${held.join(' OR ')})`)
      break
    }
    case 'bucket':
      conditions.push(`${missed(column)} <= ${depthOf(check.limit)}`)
      break
    case 'claim': {
      if (column.sequence < 0) conditions.push(`${sight.cell(column, 1)} <= now`)
      else {
        const token = sight.token(column)
        const taken = `(get_byte(${sight.bits(column)}, (${token} >> 2)::int4) >> ((${token} & 3) * 2)::int4) & 3`
        conditions.push(`${sight.lapses(column)} > now AND (${taken}) = 0`)
      }
      break
    }
    default:
      break
  }
  return conditions.length === 0 ? 'true' : conditions.join(' AND ')
}

/** Returns the new values of a check's cells. */
function charged(column: Column, sight: Sight): string[] {
  const { check } = column
  if (check.kind === 'bucket') {
    const { amount } = check.limit
    const o = missed(column)
    return [
      `((now + ${o} / ${amount}) << 19) + (((${o} % ${amount}) << 19) + ${Math.floor(amount / 2)}) / ${amount}`,
    ]
  }
  if (check.kind === 'claim' && column.cells.length === 2) {
    return [sight.token(column), `now + ${Math.ceil(check.holdFor)}`]
  }
  return []
}

/** The cells of a record after an ask, and the conditions under which they change, as expressions. */
export interface StateAfter {
  readonly cells: readonly string[]
  readonly changing: readonly string[]
}

/** Returns the cells of a record after its checks are charged; undefined if none of them charges any. */
export function stateAfter(
  columns: readonly Column[],
  cells: number,
  before: (cell: number) => string,
  sight: Sight,
): StateAfter | undefined {
  const after = Array.from({ length: cells }, (_, i) => before(i + 1))
  const changing: string[] = []
  for (const column of columns) {
    const values = charged(column, sight)
    if (values.length === 0) continue
    const asked = sight.asked(column)
    changing.push(asked)
    for (const [nth, value] of values.entries()) {
      const cell = column.cells[nth] as number
      after[cell - 1] = `CASE WHEN ${asked} THEN ${value} ELSE ${before(cell)} END`
    }
  }
  return changing.length === 0 ? undefined : { cells: after, changing }
}
