import type { Ask } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { depthOf } from '../../core/limit.js'
import type { BotKeys } from './keys.js'
import { CallKeys, type QuestionKeys } from './question-keys.js'
import { LONG_HEAD, type PlanScript, SHORT_HEAD } from './script/plan-script.js'

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
  /** The chain's own time; negative: taken from the server's clock. */
  readonly own: Ms
  readonly at: Ms
  /** For settlements: the checks concerned, as bits, and when they were charged. */
  readonly mask: number
  readonly taken: Ms
}

/** The arguments of one call. */
interface Call {
  readonly names: readonly string[]
  readonly args: readonly Buffer[]
}

/** The first list is ARGV[2]. */
const FIRST_LIST = 2
/** Length of the part before the questions; see the header of the script. */
const HEAD = 9

/** Encodes questions in the format that the plan's script reads. */
export function encode(
  { layout, bodyBytes }: PlanScript,
  questionKeys: QuestionKeys,
  keys: BotKeys,
  items: readonly { readonly question: Question }[],
  grace: Ms,
): Call {
  let long = false
  for (let i = 0; i < items.length; i++) {
    const { op, own, ask } = (items[i] as { question: Question }).question
    if (op !== EVALUATE || own >= 0 || ask.limits !== undefined) long = true
  }
  const head = long ? LONG_HEAD : SHORT_HEAD
  const stride = head + bodyBytes
  const entries = Buffer.allocUnsafe(HEAD + items.length * stride)
  const view = new DataView(entries.buffer, entries.byteOffset, entries.byteLength)
  const names = new CallKeys()
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
    const from = HEAD + i * stride
    view.setUint8(from, op)
    view.setUint16(from + 1, costs, true)
    if (long) {
      const limits = ask.limits === undefined ? 0 : FIRST_LIST - 1 + lists.push(limitList(ask.limits, size))
      view.setUint16(from + 3, limits, true)
      view.setFloat64(from + 5, serial, true)
      view.setFloat64(from + 13, own, true)
      view.setFloat64(from + 21, at, true)
      view.setUint32(from + 29, mask, true)
      view.setFloat64(from + 33, taken, true)
    } else view.setFloat64(from + 3, serial, true)
    questionKeys.write(ask, keys, names, view, from + head)
  }
  const { texts, sequences } = names
  view.setUint32(0, grace, true)
  view.setUint32(4, texts.names.length, true)
  view.setUint8(8, long ? 1 : 0)
  return { names: [keys.clock, ...texts.names, ...sequences.names], args: [entries, ...lists] }
}

function costList(costs: readonly number[], size: number): Buffer {
  const list = Buffer.allocUnsafe(size * 8)
  for (let i = 0; i < size; i++) list.writeDoubleLE(costs[i] ?? 0, i * 8)
  return list
}

/** Amount, span and burst of each limit; amount 0 means the plan's limit. */
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
