import type { Ask, Decision, Judge, Plan, Receipt, Settlement } from '../../core/check.js'
import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Limit } from '../../core/limit.js'
import { Batch } from '../remote/batch.js'
import type { Calls } from '../remote/calls.js'
import type { ToldMoment } from '../remote/moment.js'
import { settling } from '../remote/settling.js'
import { type Answers, FAILED, lengthOf, RedisAdmission, RedisDecision } from './answer.js'
import type { Connection, Script } from './connection.js'
import { scriptOf } from './connection.js'
import { Enrolment } from './enrolment.js'
import { explained, knownUndone } from './failures.js'
import type { Keys } from './keys.js'
import { QuestionKeys } from './question-keys.js'
import { COMPLETE, EVALUATE, encode, PEEK, type Question, REFUND, RELEASE } from './questions.js'
import { compile, type PlanScript, SHORT } from './script/plan-script.js'

/** Shared by all judges of one storage. */
export interface RedisShared {
  readonly connection: Connection
  readonly keys: Keys
  /** Tells the time instead of the server, for tests. */
  readonly clock: Clock | undefined
  readonly counts: { corrupt: number }
  readonly calls: Calls
  /** Returns numbers that are unique among all processes. */
  nextSerial(): number
}

const MOST_IN_CALL = 256
/** Offset of the first answer; see the header of the script. */
const FIRST_ANSWER = 20
/** A call costs the server about as much as this many questions. */
const LEAST_IN_CALL = 16
const CALLS_OUT = 3
const MOST_WAITING = 10_000
/** How much longer than needed a record is kept, since clocks of servers differ. */
const GRACE: Ms = 1000
/** The same if callers pass the time, which may stand still. */
const TOLD_GRACE: Ms = 3_600_000

/** Decides one plan in Redis. Asks made at the same time share one call of one script. */
export class RedisJudge implements Judge {
  readonly script: PlanScript
  private readonly run: Script
  private readonly batches = new Map<number, Batch<Pending>>()
  /** Describes the keys of the plan, for {@link Enrolment}. */
  readonly kept: string
  private readonly questionKeys: QuestionKeys
  private readonly enrolment: Enrolment
  /** The judge of the next plan of this name, which takes over state and settlements. */
  private successor: RedisJudge | undefined

  constructor(
    readonly plan: Plan,
    private readonly shared: RedisShared,
    private readonly moment: ToldMoment,
    previous: RedisJudge | undefined,
  ) {
    this.script = compile(plan)
    this.run = scriptOf(this.script.text)
    this.questionKeys = new QuestionKeys(this.script.layout)
    this.kept = this.questionKeys.kept
    this.enrolment = new Enrolment(shared.connection, this.kept)
    if (previous !== undefined) previous.successor = this
  }

  evaluate(ask: Ask, at: Ms | undefined = this.shared.clock?.()): Promise<Decision> {
    return this.ask(EVALUATE, ask, at === undefined ? -1 : this.moment.advance(at), at)
  }

  peek(ask: Ask, at: Ms | undefined = this.shared.clock?.()): Promise<Decision> {
    return this.ask(PEEK, ask, at === undefined ? -1 : this.moment.at(at), at)
  }

  private ask(op: typeof EVALUATE | typeof PEEK, ask: Ask, own: Ms, at: Ms | undefined): Promise<Decision> {
    return new Promise((resolve, reject) => {
      const serial = op === EVALUATE ? this.shared.nextSerial() : 0
      this.batchOf(ask.bot).add(
        new Pending({ op, ask, serial, own, at: at ?? 0, mask: 0, taken: 0 }, resolve, reject),
      )
    })
  }

  async settle(receipt: Receipt, how: Settlement, check?: number): Promise<void> {
    if (!(receipt instanceof RedisAdmission)) return
    const mask = maskOf(receipt, how, check)
    // Everything has been settled, or is being settled.
    if (mask === 0) return receipt.ending
    const question = this.latest.settlementOf(receipt, how, mask)
    if (question === undefined) return
    const telling = new Promise<Decision>((resolve, reject) => {
      this.latest.batchOf(receipt.ask.bot).add(new Pending(question, resolve, reject))
    })
    await settling(receipt, how, telling, () => {
      receipt.refunded &= ~mask
    })
  }

  private get latest(): RedisJudge {
    let judge: RedisJudge = this
    while (judge.successor !== undefined) judge = judge.successor
    return judge
  }

  /**
   * Returns the question that settles a receipt. The plan may have changed since, so charges are looked up in the latest plan, by
   * slot and kind. Undefined if nothing is left to settle.
   */
  private settlementOf(receipt: RedisAdmission, how: Settlement, mask: number): Question | undefined {
    const was = receipt.judge.script.layout
    const { layout } = this.script
    const costs = this.plan.checks.map(() => 0)
    const limits: (Limit | undefined)[] = this.plan.checks.map(() => undefined)
    const tokens = layout.claims.map(() => 0)
    let own = 0
    if (how === 'refund') {
      for (const column of was.limited) {
        const now = layout.limited.find(({ tag }) => tag === column.tag)
        if (now === undefined || (mask & (1 << column.index)) === 0) continue
        own |= 1 << now.index
        costs[now.index] = receipt.ask.costs[column.index] as number
        limits[now.index] = receipt.limitOf(column)
      }
    } else {
      for (const column of was.claims) {
        const now = layout.claims.find(({ tag }) => tag === column.tag)
        if (now === undefined || (mask & (1 << column.index)) === 0) continue
        own |= 1 << now.index
        costs[now.index] = 1
        tokens[now.ordinal] = receipt.ask.tokens[column.ordinal] as number
      }
    }
    if (own === 0) return undefined
    const subjects = this.plan.scopes.map(
      (name) => receipt.ask.subjects[receipt.judge.plan.scopes.indexOf(name)],
    )
    const { clock } = this.shared
    return {
      op: how === 'refund' ? REFUND : how === 'release' ? RELEASE : COMPLETE,
      ask: { bot: receipt.ask.bot, subjects, costs, tokens, ...(how === 'refund' && { limits }) },
      serial: receipt.serial,
      own: this.moment.told || clock !== undefined ? this.moment.now : -1,
      at: 0,
      mask: own,
      taken: receipt.ownAt,
    }
  }

  /** Fails all waiting questions. */
  close(error: unknown): void {
    for (const batch of this.batches.values()) batch.clear(error)
    this.batches.clear()
  }

  private batchOf(bot: number): Batch<Pending> {
    let batch = this.batches.get(bot)
    if (batch === undefined) {
      batch = new Batch((items) => this.call(bot, items), {
        most: MOST_IN_CALL,
        least: LEAST_IN_CALL,
        out: CALLS_OUT,
        waiting: MOST_WAITING,
        calls: this.shared.calls,
      })
      this.batches.set(bot, batch)
    }
    return batch
  }

  private async call(bot: number, items: readonly Pending[]): Promise<void> {
    const { connection, keys, counts } = this.shared
    const grace = items.some(({ question }) => question.own >= 0) ? TOLD_GRACE : GRACE
    // Sent before the script, and calls of one connection run in order. Peeks store nothing, so they need no record.
    if (items.some(({ question }) => question.op !== PEEK)) this.enrolment.renew(bot, keys.of(bot))
    const { names, args } = encode(this.script, this.questionKeys, keys.of(bot), items, grace)
    const gives = items.some(({ question }) => question.op === REFUND)
    const running = connection.runOnce(this.run, names, args)
    const reply = (await (gives ? knownUndone(running) : running)) as Buffer | [Buffer, ...Buffer[]]
    const [bytes, ...errors] = Buffer.isBuffer(reply) ? [reply] : reply
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const answers: Answers = { view, own: view.getFloat64(0, true), at: view.getFloat64(8, true) }
    counts.corrupt += view.getUint32(16, true)
    let from = FIRST_ANSWER
    for (let i = 0; i < items.length; i++) {
      this.answer(items[i] as Pending, answers, from)
      from += lengthOf(view, from, this.script)
    }
    for (const error of errors) failed(items, String(error))
  }

  private answer({ question, resolve }: Pending, answers: Answers, from: number): void {
    const by = answers.view.getInt8(from)
    if (by === FAILED) return
    const { op, ask, serial } = question
    resolve(
      op === EVALUATE && (by === SHORT || by === -1)
        ? new RedisAdmission(this, ask, answers, from, by === SHORT, serial)
        : new RedisDecision(this, ask, answers, from, by === SHORT),
    )
  }
}

/** Returns the charges of a receipt that are to be settled, as bits, and marks them as settled. */
function maskOf(receipt: RedisAdmission, how: Settlement, check: number | undefined): number {
  if (how !== 'refund') {
    if (receipt.settled) return 0
    receipt.settled = true
    return receipt.charged
  }
  const wanted = check === undefined ? -1 : 1 << check
  const mask = receipt.charged & ~receipt.refunded & wanted
  receipt.refunded |= mask
  return mask
}

function failed(items: readonly Pending[], error: string): void {
  const space = error.indexOf(' ')
  items[Number(error.slice(0, space))]?.fail(explained(error.slice(space + 1)))
}

/** A question with the callbacks for its answer. */
class Pending {
  constructor(
    readonly question: Question,
    readonly resolve: (decision: Decision) => void,
    readonly fail: (error: unknown) => void,
  ) {}
}
