import type { Ask, Decision, Judge, Receipt, Settlement } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { Batch, type Waiting } from '../remote/batch.js'
import { ToldMoment } from '../remote/moment.js'
import { Answers } from './answers.js'
import { Asking, type Question } from './asking.js'
import { PostgresReceipt } from './decision.js'
import { isMissing, stateOf } from './failures.js'
import { namesOf, type PlanFunctions } from './functions.js'
import type { Layout, ScopeLayout } from './layout.js'
import type { Shared } from './shared.js'
import { Usual } from './usual.js'

/** Maximum number of questions per statement. */
const MOST_IN_BATCH = 256
/** Fewer questions are not split between two statements, as the overhead of a statement equals about forty questions. */
const LEAST_IN_BATCH = 64
/** Maximum number of waiting questions: some seconds' worth, after which an answer is of no use. */
const MOST_WAITING = 50_000

/** The time of all plans of one name, if callers pass it. */
export class PlanMoment {
  private readonly told = new ToldMoment()
  /** The latest own time; -1 if the server's clock is used. */
  now: Ms = -1

  advance(at: Ms): Ms {
    this.now = this.told.advance(at)
    return this.now
  }

  at(at: Ms): Ms {
    return this.told.at(at)
  }
}

class Pending implements Question, Waiting {
  resolve!: (decision: Decision) => void
  fail!: (error: unknown) => void

  constructor(
    readonly ask: Ask,
    readonly own: Ms,
    readonly at: Ms,
  ) {}
}

/** Decides one plan in Postgres. Asks made at the same time share a statement. */
export class PostgresJudge implements Judge {
  private readonly asking: Asking
  private readonly answers: Answers
  private readonly usual: Usual | undefined
  private readonly batch: Batch<Pending>
  private readonly texts = new Map<string, string>()
  /** Decides in place of this judge, once the schema was created anew. */
  private successor: Promise<Judge> | undefined

  constructor(
    readonly layout: Layout,
    private readonly made: PlanFunctions,
    readonly shared: Shared,
    readonly moment: PlanMoment,
  ) {
    this.asking = new Asking(layout, shared.subjects)
    this.answers = new Answers(layout, made.usual?.form)
    this.usual = made.usual && new Usual(made.usual.form, this.asking, shared.subjects)
    this.batch = new Batch((items: Pending[]) => this.send(items), {
      most: MOST_IN_BATCH,
      least: LEAST_IN_BATCH,
      out: shared.callsOut,
      waiting: MOST_WAITING,
      calls: shared.calls,
    })
  }

  evaluate(ask: Ask, at: Ms | undefined = this.shared.clock?.()): Promise<Decision> {
    if (this.shared.outdated) return this.succeeded().then((judge) => judge.evaluate(ask, at))
    const own = at === undefined ? -1 : this.moment.advance(at)
    const pending = new Pending(ask, own, at === undefined ? -1 : Math.floor(at))
    const answer = new Promise<Decision>((resolve, reject) => {
      pending.resolve = resolve
      pending.fail = reject
    })
    this.batch.add(pending)
    return answer
  }

  async peek(ask: Ask, at: Ms | undefined = this.shared.clock?.()): Promise<Decision> {
    if (this.shared.outdated) return (await this.succeeded()).peek(ask, at)
    const own = at === undefined ? -1 : this.moment.at(at)
    const question = { ask, own, at: at === undefined ? -1 : Math.floor(at) }
    const [decision] = await this.call([question], false)
    return decision as Decision
  }

  async settle(receipt: Receipt, how: Settlement, check?: number): Promise<void> {
    if (!(receipt instanceof PostgresReceipt)) return
    // What was charged in a schema that is gone is gone, too.
    const { shared } = receipt.judge
    if (!shared.outdated) await shared.settler.settle(receipt, how, check)
  }

  /** Names of the plan's functions. */
  get functions(): readonly string[] {
    return namesOf(this.made)
  }

  private succeeded(): Promise<Judge> {
    this.successor ??= this.shared.succeed(this).catch((error: unknown) => {
      this.successor = undefined
      throw error
    })
    return this.successor
  }

  /** Fails all waiting questions. */
  close(error: unknown): void {
    this.batch.clear(error)
  }

  private async send(items: Pending[]): Promise<void> {
    const bots = new Map<number, Pending[]>()
    for (const item of items) {
      const own = bots.get(item.ask.bot)
      if (own === undefined) bots.set(item.ask.bot, [item])
      else own.push(item)
    }
    await Promise.all([...bots.values()].map((own) => this.askSorted(own)))
  }

  /** Asks questions of one bot: ordinary ones in one statement, the others in another. */
  private async askSorted(items: readonly Pending[]): Promise<void> {
    const sorted = items.length === 1 ? undefined : this.usual?.sort(items)
    if (sorted === undefined) return this.ask(items)
    const { usual, others } = sorted
    await Promise.all([this.askUsual(usual), ...(others.length === 0 ? [] : [this.ask(others)])])
  }

  private async askUsual(items: readonly Pending[]): Promise<void> {
    let decisions: Decision[]
    try {
      decisions = await this.callUsual(items)
    } catch (error) {
      if (isCorruption(error)) await this.ask(items)
      else for (const item of items) item.fail(error)
      return
    }
    answered(items, decisions)
  }

  /** Asks and answers questions of one bot. */
  private async ask(items: readonly Pending[]): Promise<void> {
    let decisions: Decision[]
    try {
      decisions = await this.call(items, true)
    } catch (error) {
      if (!isCorruption(error)) {
        for (const item of items) item.fail(error)
        return
      }
      // One unreadable record must not fail the other questions. Nothing was written, so ask in halves.
      if (items.length > 1) {
        const half = items.length >> 1
        await this.ask(items.slice(0, half))
        await this.ask(items.slice(half))
      } else await this.askAnew(items[0] as Pending, error)
      return
    }
    answered(items, decisions)
  }

  /** Drops the unreadable records of an ask and asks again, as if the records had never existed. */
  private async askAnew(item: Pending, cause: SentinelError): Promise<void> {
    try {
      await this.drop(item)
      this.shared.onError(
        new SentinelError(
          'storage.failed',
          `postgres: a record of plan "${this.layout.plan.name}" could not be read, and was deleted: ${cause.message}`,
          { cause },
        ),
      )
      const [decision] = await this.call([item], true)
      item.resolve(decision as Decision)
    } catch (error) {
      item.fail(error)
    }
  }

  private async drop(question: Question): Promise<void> {
    const { link, subjects } = this.shared
    const { scopes, sequences } = this.layout
    const records = this.asking
      .recordsOf(question)
      .filter(({ scope }) => (scopes[scope] as ScopeLayout).space !== 0)
    const chunks = sequences.flatMap(({ chunk, check }) => {
      const key = question.ask.subjects[check.subject]
      return key === undefined ? [] : [{ chunk, subject: subjects.numberOf(key) }]
    })
    await link.query(`SELECT ${link.s}.drop_records($1, $2::int8[], $3::int8[], $4::int8[], $5::int8[])`, [
      question.ask.bot,
      records.map(({ scope }) => (scopes[scope] as ScopeLayout).space),
      records.map(({ subject }) => subject),
      chunks.map(({ chunk }) => chunk),
      chunks.map(({ subject }) => subject),
    ])
  }

  /** Returns the statement that calls a function. */
  private textOf(name: string, count: number): string {
    let text = this.texts.get(name)
    if (text === undefined) {
      const places = Array.from({ length: count }, (_, index) => `$${index + 1}`)
      text = `SELECT ${this.shared.link.s}.${name}(${places.join(',')})`
      this.texts.set(name, text)
    }
    return text
  }

  private functionFor(questions: readonly Question[]): string {
    const { any, plain, quick } = this.made
    if (questions.length === 1) return this.asking.isPlain(questions[0] as Question) ? quick : any
    return questions.some(({ ask }) => ask.limits !== undefined) ? any : plain
  }

  private async call(questions: readonly Question[], commit: boolean): Promise<Decision[]> {
    const { shared, made, asking, answers } = this
    const serial = this.shared.nextSerial(questions.length)
    const bot = String((questions[0] as Question).ask.bot)
    const name = commit ? this.functionFor(questions) : made.any
    const values =
      name === made.quick
        ? asking.quickArguments(questions[0] as Question, serial)
        : [bot, String(commit), String(serial), ...asking.argumentsOf(questions)]
    const answer = await this.patiently(() =>
      shared.link.value(name, this.textOf(name, values.length), values),
    )
    return answers.read(answer, questions, this, serial, commit)
  }

  private async callUsual(questions: readonly Question[]): Promise<Decision[]> {
    const { shared, answers } = this
    const { name } = this.made.usual as NonNullable<PlanFunctions['usual']>
    const serial = this.shared.nextSerial(questions.length)
    const values = (this.usual as Usual).argumentsOf(questions, serial)
    const answer = await this.patiently(() =>
      shared.link.value(name, this.textOf(name, values.length), values),
    )
    return answers.readUsual(answer, questions, this, serial)
  }

  /**
   * Creates the functions again if they are missing: they were unused for a week, or an administrator dropped them. If the whole
   * schema was replaced, they would refer to numbers of the former one: this call fails, and the next is for a successor.
   */
  private async patiently(call: () => Promise<string>): Promise<string> {
    try {
      return await call()
    } catch (error) {
      if (!isMissing(error)) throw error
      await this.shared.look()
      if (this.shared.outdated || stateOf(error) !== UNDEFINED_FUNCTION) throw error
      await this.shared.functions.make(this.layout.plan, this.made)
      return call()
    }
  }
}

function answered(items: readonly Pending[], decisions: readonly Decision[]): void {
  for (let i = 0; i < items.length; i++) (items[i] as Pending).resolve(decisions[i] as Decision)
}

const UNDEFINED_FUNCTION = '42883'

/**
 * SQLSTATEs for invalid data, such as out of range or of a wrong length. Our arguments are valid, so a stored record must be
 * damaged.
 */
function isCorruption(error: unknown): error is SentinelError {
  return /^(22|XX001|XX002)/.test(stateOf(error))
}
