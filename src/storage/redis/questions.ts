import type { Ask } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import type { BotKeys } from './keys.js'
import { KeyNumbers, type QuestionKeys } from './question-keys.js'
import { depthOf } from './script/checks.js'
import { ENTRY_HEAD, type PlanScript } from './script/plan-script.js'

export const EVALUATE = 0
export const PEEK = 1
export const COMPLETE = 2
export const RELEASE = 3
export const REFUND = 4

/** One entry of a call. */
export interface Question {
  readonly op: typeof EVALUATE | typeof PEEK | typeof COMPLETE | typeof RELEASE | typeof REFUND
  readonly ask: Ask
  readonly serial: number
  /** The chain's own time; below 0: as the server's clock says. */
  readonly own: Ms
  readonly at: Ms
  /** Of a settlement: the checks it is about, as bits, and when they were charged. */
  readonly mask: number
  readonly taken: Ms
}

/** The arguments of one call. */
export interface Call {
  readonly names: readonly string[]
  readonly entries: Buffer
  /** Lists of costs and of limits. */
  readonly lists: readonly Buffer[]
}

/** The first list is ARGV[3]. */
const FIRST_LIST = 3

/** Writes questions down as the plan's script reads them. */
export function encode(
  { layout, entryBytes }: PlanScript,
  questionKeys: QuestionKeys,
  keys: BotKeys,
  items: readonly { readonly question: Question }[],
): Call {
  const entries = Buffer.allocUnsafe(items.length * entryBytes)
  const view = new DataView(entries.buffer, entries.byteOffset, entries.byteLength)
  const numbers = new KeyNumbers(keys.clock)
  const lists: Buffer[] = []
  const costLists = new Map<readonly number[], number>()
  const size = layout.plan.checks.length
  for (let i = 0; i < items.length; i++) {
    const { op, ask, serial, own, at, mask, taken } = (items[i] as { question: Question }).question
    let costs = costLists.get(ask.costs)
    if (costs === undefined) {
      costs = FIRST_LIST - 1 + lists.push(costList(ask.costs, size))
      costLists.set(ask.costs, costs)
    }
    const from = i * entryBytes
    view.setUint8(from, op)
    view.setUint16(from + 1, costs, true)
    view.setUint16(
      from + 3,
      ask.limits === undefined ? 0 : FIRST_LIST - 1 + lists.push(limitList(ask.limits, size)),
      true,
    )
    view.setFloat64(from + 5, serial, true)
    view.setFloat64(from + 13, own, true)
    view.setFloat64(from + 21, at, true)
    view.setUint32(from + 29, mask, true)
    view.setFloat64(from + 33, taken, true)
    questionKeys.write(ask, keys, numbers, view, from + ENTRY_HEAD)
  }
  return { names: numbers.names, entries, lists }
}

function costList(costs: readonly number[], size: number): Buffer {
  const list = Buffer.allocUnsafe(size * 8)
  for (let i = 0; i < size; i++) list.writeDoubleLE(costs[i] ?? 0, i * 8)
  return list
}

/** Amount, span and burst of each; amount 0 where the plan's limit holds. */
function limitList(limits: NonNullable<Ask['limits']>, size: number): Buffer {
  const list = Buffer.alloc(size * 24)
  for (let i = 0; i < size; i++) {
    const limit = limits[i]
    if (limit === undefined) continue
    list.writeDoubleLE(limit.amount, i * 24)
    list.writeDoubleLE(limit.per, i * 24 + 8)
    list.writeDoubleLE(depthOf(limit) / limit.per, i * 24 + 16)
  }
  return list
}
