import type { Ask, Decision, RefusalCause } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import type { Question } from './asking.js'
import {
  type AdmittingJudge,
  type Charged,
  NO_SHADOWS,
  PostgresDecision,
  PostgresReceipt,
} from './decision.js'
import { isVaried } from './function/checks.js'
import type { UsualForm } from './function/usual.js'
import { type Column, formOf, type Layout } from './layout.js'

const CAUSES: readonly RefusalCause[] = ['check', 'penalty', 'echo']
/** Larger than any finite wait. */
const NEVER = 1e18

/** Reads the answers of a plan's function. */
export class Answers {
  private readonly limited: readonly (Column & { readonly varied: boolean; readonly divisor: number })[]

  /** Buckets that the function for usual questions charges. */
  private readonly usual: Answers['limited']

  private readonly charging: readonly Column[]

  constructor(
    private readonly layout: Layout,
    form: UsualForm | undefined,
  ) {
    this.charging = layout.columns.filter(({ check }) => check.kind !== 'absent' && check.kind !== 'present')
    this.limited = layout.columns
      .filter(({ check }) => check.kind === 'bucket' || check.kind === 'window')
      .map((column) => ({ ...column, varied: isVaried(column), divisor: divisorOf(column) }))
    this.usual = this.limited.filter(
      ({ index, check }) => check.kind === 'bucket' && form?.checks[index] === true,
    )
  }

  /** Returns the limits and claims that an ask would charge, as bits. */
  private chargedOf({ costs, subjects }: Ask): number {
    let bits = 0
    for (const { index, check } of this.charging) {
      if ((costs[index] ?? 0) > 0 && subjects[check.subject] !== undefined) bits += 2 ** index
    }
    return bits
  }

  /** Returns the decisions in the order of the questions. */
  read(
    text: string,
    questions: readonly Question[],
    judge: AdmittingJudge,
    serial: number,
    commit: boolean,
  ): Decision[] {
    return this.decided(numbersIn(text), 0, questions, judge, serial, commit)
  }

  /**
   * Reads the answer of the function for usual questions: its own decisions, then those of the function it handed the rest to.
   */
  readUsual(text: string, questions: readonly Question[], judge: AdmittingJudge, serial: number): Decision[] {
    const numbers = numbersIn(text)
    const time = { own: Number(numbers[0]), clock: Number(numbers[1]) }
    const count = Number(numbers[2])
    const decisions: (Decision | undefined)[] = new Array(questions.length).fill(undefined)
    const checks = this.layout.columns.length
    for (let nth = 0; nth < count; nth++) {
      const place = Number(numbers[3 + nth]) - 1
      const question = questions[place] as Question
      const remaining: number[] = new Array(checks).fill(Number.NaN)
      for (const [bucket, { index, divisor }] of this.usual.entries()) {
        const left = Number(numbers[3 + (bucket + 1) * count + nth])
        if (left >= 0) remaining[index] = left / divisor
      }
      // No claim with a serial is taken, so the serial does not matter.
      const receipt = this.receiptOf(question, time, judge, serial, 0, undefined)
      decisions[place] = new PostgresDecision(-1, 'check', 0, remaining, NO_SHADOWS, false, false, receipt)
    }
    if (count === questions.length) return decisions as Decision[]
    const others = questions.filter((_, place) => decisions[place] === undefined)
    const from = 3 + (this.usual.length + 1) * count
    const rest = this.decided(numbers, from, others, judge, serial, true)
    let next = 0
    return decisions.map((decision) => decision ?? (rest[next++] as Decision))
  }

  private decided(
    numbers: readonly string[],
    from: number,
    questions: readonly Question[],
    judge: AdmittingJudge,
    serial: number,
    commit: boolean,
  ): Decision[] {
    const time = { own: Number(numbers[from]), clock: Number(numbers[from + 1]) }
    const checks = this.layout.columns.length
    let next = from + 2
    return questions.map((question, nth) => {
      const { ask } = question
      const head = Number(numbers[next++])
      const low = head % 4096
      const refusedBy = (low & 63) - 1
      const skipped = Math.floor(head / 4096)
      const wait = refusedBy < 0 ? 0 : Number(numbers[next++])
      const shadows = (low & 1024) === 0 ? NO_SHADOWS : indices(Number(numbers[next++]))
      const remaining: number[] = new Array(checks).fill(Number.NaN)
      let limits: Map<number, Charged> | undefined
      for (const { index, check, varied, divisor } of this.limited) {
        const cost = ask.costs[index]
        if (cost === undefined || !(cost > 0) || ask.subjects[check.subject] === undefined) continue
        const left = Number(numbers[next++])
        let by = divisor
        if (varied || ask.limits !== undefined) {
          const amount = Number(numbers[next++])
          const per = Number(numbers[next++])
          next++
          if (formOf(check) === 'bucket') by = per
          else if (formOf(check) === 'counters') by = per * 1000
          limits ??= new Map()
          limits.set(index, { amount, per })
        }
        if (left >= 0) remaining[index] = left / by
      }
      const receipt =
        refusedBy < 0 && commit
          ? this.receiptOf(question, time, judge, serial + nth, skipped, limits)
          : undefined
      return new PostgresDecision(
        refusedBy,
        CAUSES[(low >> 6) & 3] as RefusalCause,
        wait >= NEVER ? Number.POSITIVE_INFINITY : wait,
        remaining,
        shadows,
        (low & 256) !== 0,
        (low & 512) !== 0,
        receipt,
      )
    })
  }

  private receiptOf(
    { ask, own, at }: Question,
    time: Time,
    judge: AdmittingJudge,
    serial: number,
    skipped: number,
    limits: ReadonlyMap<number, Charged> | undefined,
  ): PostgresReceipt {
    return new PostgresReceipt(
      judge,
      ask,
      own < 0 ? time.clock : at,
      own < 0 ? time.own : own,
      serial,
      this.chargedOf(ask) - skipped,
      limits,
    )
  }
}

/** When the server decided, by the bot's own time and by the clock. */
interface Time {
  readonly own: Ms
  readonly clock: Ms
}

function numbersIn(text: string): string[] {
  return text.slice(1, -1).split(',')
}

/** Returns the divisor that turns what is left, as reported by the server, into units of the limit. */
function divisorOf({ check }: Column): number {
  if (check.kind === 'bucket') return check.limit.per
  if (check.kind !== 'window' || check.form === 'log') return 1
  return check.form === 'fixed' ? 1000 : check.limit.per * 1000
}

function indices(bits: number): number[] {
  const found: number[] = []
  for (let index = 0; bits >= 2 ** index; index++)
    if (Math.floor(bits / 2 ** index) % 2 === 1) found.push(index)
  return found
}
