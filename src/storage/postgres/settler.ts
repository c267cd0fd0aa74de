import type { Settlement } from '../../core/check.js'
import type { Limit } from '../../core/limit.js'
import { Batch, type Waiting } from '../remote/batch.js'
import type { Calls } from '../remote/calls.js'
import { markUndone, settling } from '../remote/settling.js'
import type { PostgresReceipt } from './decision.js'
import { isUndone } from './failures.js'
import { type Column, formOf, type ScopeLayout, TOKENS_IN_CHUNK } from './layout.js'
import type { Link } from './link.js'
import type { Subjects } from './subjects.js'

const HELD = 1
const PAID = 2
/** Kinds of operations, as numbered in the SQL function `settle`. */
const KINDS = { bucket: 1, log: 2, counters: 3, fixed: 4, claim: 5, sequence: 6 } as const
const WIDTH = 10

type Operation = readonly number[]

class Pending implements Waiting {
  resolve!: () => void
  fail!: (error: unknown) => void

  constructor(
    readonly bot: number,
    readonly now: number,
    readonly operations: readonly Operation[],
  ) {}
}

/** Settles admissions. Those settled at the same time share a statement. */
export class Settler {
  private readonly batch: Batch<Pending>

  constructor(
    private readonly link: Link,
    private readonly subjects: Subjects,
    calls: Calls,
  ) {
    const options = { most: 256, out: 1, waiting: 50_000, calls }
    this.batch = new Batch((items: Pending[]) => this.send(items), options)
  }

  settle(receipt: PostgresReceipt, how: Settlement, only: number | undefined): Promise<void> {
    const { refunded } = receipt
    const operations = how === 'refund' ? this.refund(receipt, only) : this.claims(receipt, how)
    // Everything has been settled, or is being settled.
    if (operations.length === 0) return receipt.ending ?? Promise.resolve()
    const given = receipt.refunded - refunded
    const pending = new Pending(receipt.ask.bot, receipt.judge.moment.now, operations)
    const ended = new Promise<void>((resolve, reject) => {
      pending.resolve = resolve
      pending.fail = reject
    })
    this.batch.add(pending)
    return settling(receipt, how, ended, () => {
      receipt.refunded -= given
    })
  }

  close(error: unknown): void {
    this.batch.clear(error)
  }

  /** Refunds the charges of all limits or of one, once each. */
  private refund(receipt: PostgresReceipt, only: number | undefined): Operation[] {
    const operations: Operation[] = []
    for (const column of receipt.judge.layout.columns) {
      const { index, check } = column
      if ((check.kind !== 'bucket' && check.kind !== 'window') || (only !== undefined && index !== only))
        continue
      if (!has(receipt.charged, index) || has(receipt.refunded, index)) continue
      receipt.refunded += 2 ** index
      operations.push(this.refundOf(column, receipt, receipt.limits?.get(index) ?? check.limit))
    }
    return operations
  }

  private refundOf(column: Column, receipt: PostgresReceipt, { amount, per }: Limit): Operation {
    const form = formOf(column.check)
    const cost = receipt.ask.costs[column.index] as number
    const head = [KINDS[form as keyof typeof KINDS], ...this.recordOf(column, receipt), column.tag]
    if (form === 'log') return padded([...head, Math.ceil(cost), receipt.own])
    if (form === 'bucket') {
      const units = Math.max(1, Math.round(cost * per))
      const rest = Math.round(((units % amount) * 2 ** 19) / amount)
      return padded([...head, Math.floor(units / amount), rest])
    }
    return padded([...head, Math.max(1, Math.round(cost * 1000)), receipt.own, per])
  }

  /** Makes claims stay taken for their whole `holdFor`, or free to be taken once more. Idempotent. */
  private claims(receipt: PostgresReceipt, how: 'complete' | 'release'): Operation[] {
    if (receipt.settled) return []
    receipt.settled = true
    const operations: Operation[] = []
    for (const column of receipt.judge.layout.columns) {
      const { check, index, claim, sequence } = column
      if (check.kind !== 'claim' || !has(receipt.charged, index)) continue
      const to = how === 'release' && check.retry === true ? PAID : HELD
      // Without a lease the claim is held from the start, so there is nothing to change.
      if (to === HELD && check.lease === undefined) continue
      const token = receipt.ask.tokens[claim] as number
      const [, subject] = this.recordOf(column, receipt)
      if (sequence < 0) {
        operations.push(
          padded([KINDS.claim, ...this.recordOf(column, receipt), column.listTag, token, receipt.serial, to]),
        )
        continue
      }
      const leased = check.lease === undefined ? 0 : 1
      operations.push(
        padded([
          KINDS.sequence,
          column.chunk,
          subject,
          Math.floor(token / TOKENS_IN_CHUNK),
          token % TOKENS_IN_CHUNK,
          receipt.serial,
          to,
          receipt.own,
          leased,
        ]),
      )
    }
    return operations
  }

  /** Returns the space and the subject of a record. */
  private recordOf(column: Column, { ask, judge }: PostgresReceipt): [space: number, subject: number] {
    const scope = judge.layout.scopes[column.scope] as ScopeLayout
    return [scope.space, this.subjects.numberOf(ask.subjects[scope.scope] as number | string)]
  }

  private async send(items: Pending[]): Promise<void> {
    const groups = new Map<string, Pending[]>()
    for (const item of items) {
      // Settlements of different times are sent separately, because a lease may end in between.
      const name = `${item.bot} ${item.now}`
      groups.set(name, [...(groups.get(name) ?? []), item])
    }
    await Promise.all([...groups.values()].map((group) => this.settleAll(group)))
  }

  private async settleAll(items: Pending[]): Promise<void> {
    const { bot, now } = items[0] as Pending
    const operations = items.flatMap((item) => item.operations).sort(inOrder)
    try {
      await this.link.value(`settle_${this.link.schema}`, `SELECT ${this.link.s}.settle($1,$2,$3)`, [
        String(bot),
        String(now),
        `{${operations.map((operation) => operation.join(',')).join(',')}}`,
      ])
    } catch (error) {
      if (isUndone(error)) markUndone(error)
      for (const item of items) item.fail(error)
      return
    }
    for (const item of items) item.resolve()
  }
}

/** Sorts records by (space, subject), then chunks: the order in which the deciding functions lock them. */
function inOrder(a: Operation, b: Operation): number {
  const chunks = Number(a[0] === KINDS.sequence) - Number(b[0] === KINDS.sequence)
  if (chunks !== 0) return chunks
  for (let i = 1; i <= 3; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return 0
}

function padded(numbers: number[]): Operation {
  while (numbers.length < WIDTH) numbers.push(0)
  return numbers
}

function has(bits: number, index: number): boolean {
  return Math.floor(bits / 2 ** index) % 2 === 1
}
