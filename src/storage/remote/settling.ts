import type { Settlement } from '../../core/check.js'
import { SentinelError } from '../../core/errors.js'

/*
 * A server knows who took a claim, so how an admission ended may be told it twice. It keeps no list of what was given back: whether a
 * refund that failed is to be made again is known here, or not at all.
 */

/** How an admission ended, as far as its server was told. */
export interface Ending {
  /** Completed or released. */
  settled: boolean
  /** Checks whose charge was given back, as bits. */
  refunded: number
  /** What is on its way, or of which nobody knows whether it arrived. */
  ending: Promise<void> | undefined
}

const undone = new WeakSet<object>()

/** Notes that a call has failed and done nothing: it may be made again. */
export function markUndone(error: SentinelError): SentinelError {
  undone.add(error)
  return error
}

function isUndone(error: SentinelError): boolean {
  return undone.has(error) || error.code === 'storage.overloaded'
}

/** A refund has failed, and nobody knows whether it was made: not to be made again. */
export class Uncertain extends SentinelError {
  constructor({ code, message, cause }: SentinelError) {
    super(code, message, { cause })
  }
}

/** By receipt: what is being told, and what was told and nobody knows whether it arrived. */
const tellings = new WeakMap<Ending, Set<Promise<void>>>()

/**
 * Notes what is being told of an ending. Whoever would tell the same meanwhile waits for this. What has failed may be told again, but
 * for refunds that may have been made.
 *
 * @param telling The server is being told; rejects with errors of ours.
 * @param undo Notes that these charges were not given back.
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
  // What has arrived or failed is forgotten. Otherwise a failure would fail everything that is told after it.
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
  // Callers who wait for it get the error. Without this, one that nobody waits for would end the process.
  all.catch(() => undefined)
  return all
}
