import type { Settlement } from '../../core/check.js'
import { SentinelError } from '../../core/errors.js'

/*
 * A server knows who took a claim, so completing or releasing may be repeated. It keeps no list of refunds, so whether a failed
 * refund may be repeated must be tracked here.
 */

/** How far the server has been told about the end of an admission. */
export interface Ending {
  /** Completed or released. */
  settled: boolean
  /** Checks whose charge was refunded, as bits. */
  refunded: number
  /** Calls that are in progress, or that failed without it being known whether they arrived. */
  ending: Promise<void> | undefined
}

const undone = new WeakSet<object>()

/** Marks the error of a call that did nothing, so that the call may be repeated. */
export function markUndone(error: SentinelError): SentinelError {
  undone.add(error)
  return error
}

function isUndone(error: SentinelError): boolean {
  return undone.has(error) || error.code === 'storage.overloaded'
}

/** A refund that failed after it may have been made, so it must not be repeated. */
export class Uncertain extends SentinelError {
  constructor({ code, message, cause }: SentinelError) {
    super(code, message, { cause })
  }
}

/** By receipt: calls in progress, and those that failed without it being known whether they arrived. */
const tellings = new WeakMap<Ending, Set<Promise<void>>>()

/**
 * Tracks a settlement call. Identical settlements meanwhile wait for this one. A failed call may be repeated, except for refunds
 * that may have been made.
 *
 * @param telling The call; rejects with a {@link SentinelError}.
 * @param undo Called if the refund was not made.
 */
export function settling(
  receipt: Ending,
  how: Settlement,
  telling: Promise<unknown>,
  undo: () => void,
): Promise<void> {
  const open = tellings.get(receipt) ?? new Set()
  const told = telling.then(
    () => isOver(),
    (error: SentinelError) => {
      if (how === 'refund' && !isUndone(error)) throw new Uncertain(error)
      if (how === 'refund') undo()
      else receipt.settled = false
      isOver()
      throw error
    },
  )
  // Finished calls are forgotten. Otherwise a failure would fail every later settlement.
  const isOver = (): void => {
    open.delete(told)
    receipt.ending = allOf(open)
  }
  tellings.set(receipt, open.add(told))
  receipt.ending = allOf(open)
  return told
}

function allOf(open: ReadonlySet<Promise<void>>): Promise<void> | undefined {
  if (open.size === 0) return undefined
  const all = Promise.all(open).then(() => undefined)
  // Waiting callers receive the error. Without this, an error that no caller waits for would end the process.
  all.catch(() => undefined)
  return all
}
