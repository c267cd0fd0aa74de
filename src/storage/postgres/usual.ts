import type { Ask } from '../../core/check.js'
import type { Key } from '../../core/subject.js'
import { storedText } from '../shared/sql.js'
import { type Asking, array, type Question, type Shape, textArray } from './asking.js'
import type { UsualForm } from './function/usual.js'
import { TOKENS_IN_CHUNK } from './layout.js'
import type { Subjects } from './subjects.js'

/** Questions, separated into those for the function for usual questions and others. */
interface Sorted<Q extends Question> {
  /** Each of another subject, sorted by subject. */
  readonly usual: readonly Q[]
  readonly others: readonly Q[]
}

/** Fewer are not worth a statement of their own. */
const LEAST = 2

/** Turns ordinary questions into the arguments of the function that decides them together. */
export class Usual {
  private readonly shapes = new WeakMap<Shape, boolean>()

  constructor(
    private readonly form: UsualForm,
    private readonly asking: Asking,
    private readonly subjects: Subjects,
  ) {}

  /**
   * Separates questions that may be asked together. If a subject occurs twice, its questions must be decided in order and may
   * not. Returns undefined if it is better to ask all of them in the general way.
   */
  sort<Q extends Question>(questions: readonly Q[]): Sorted<Q> | undefined {
    const shaped = questions.map((question) => this.isUsual(question))
    if (shaped.filter(Boolean).length * 2 < Math.max(questions.length, LEAST * 2)) return undefined
    const subjects = questions.map(({ ask }) => this.mainOf(ask))
    const seen = new Map<number, number>()
    for (const subject of subjects) seen.set(subject, (seen.get(subject) ?? 0) + 1)
    // If an update came twice, the order of the questions matters.
    if (this.isAnyTwice(questions)) return undefined
    const first = questions[shaped.indexOf(true)] as Q
    const [owner, chunk] = this.chunkOf(first.ask)
    const usual: { readonly question: Q; readonly subject: number }[] = []
    const others: Q[] = []
    for (const [nth, question] of questions.entries()) {
      const subject = subjects[nth] as number
      const [otherOwner, otherChunk] = this.chunkOf(question.ask)
      const fits =
        shaped[nth] === true &&
        subject !== 0 &&
        seen.get(subject) === 1 &&
        question.own === first.own &&
        question.at === first.at &&
        otherOwner === owner &&
        otherChunk === chunk
      if (fits) usual.push({ question, subject })
      else others.push(question)
    }
    if (usual.length < LEAST || usual.length < others.length) return undefined
    usual.sort((a, b) => a.subject - b.subject)
    return { usual: usual.map(({ question }) => question), others }
  }

  /** Returns the arguments of the function described in function/usual.ts. */
  argumentsOf(questions: readonly Question[], serial: number): string[] {
    const { scopes, claims, sequence } = this.form
    const { ask: first, own, at } = questions[0] as Question
    const [owner, chunk] = this.chunkOf(first)
    const texts = new Set<string>()
    const lists = scopes.map(({ scope, marks }) =>
      array(
        questions.map(({ ask }) => {
          const key = ask.subjects[scope]
          if (key === undefined || !this.reads(scope, ask)) return 0
          if (typeof key === 'string' && marks.length > 0) texts.add(storedText(key))
          return this.subjects.numberOf(key)
        }),
      ),
    )
    const tokens = claims.map((column) =>
      array(
        questions.map(({ ask }) => {
          const token = ask.tokens[column.claim] ?? 0
          return column === sequence ? token % TOKENS_IN_CHUNK : token
        }),
      ),
    )
    return [
      array([first.bot, serial, own, at, owner === undefined ? 0 : this.subjects.numberOf(owner), chunk]),
      this.asking.names,
      texts.size === 0 ? '{}' : textArray([...texts]),
      array(questions.map(({ ask }) => this.asking.shapeOf(ask.costs).asked)),
      ...lists,
      ...tokens,
    ]
  }

  /** Whether a question is ordinary, regardless of the other questions. */
  private isUsual({ ask }: Question): boolean {
    if (ask.limits !== undefined) return false
    const shape = this.asking.shapeOf(ask.costs)
    let fits = this.shapes.get(shape)
    if (fits === undefined) {
      fits = shape.plain && shape.costs.every((cost, index) => cost === 0 || this.form.checks[index] === true)
      this.shapes.set(shape, fits)
    }
    return fits
  }

  private isAnyTwice(questions: readonly Question[]): boolean {
    const { sequence } = this.form
    if (sequence === undefined) return false
    const tokens = new Set<number>()
    let asked = 0
    for (const { ask } of questions) {
      if (!this.asks(sequence.index, ask)) continue
      asked++
      tokens.add(ask.tokens[sequence.claim] ?? 0)
    }
    return tokens.size < asked
  }

  /** Returns the subject whose record is written; 0 if there is none. */
  private mainOf(ask: Ask): number {
    const { scope } = this.form.main
    const key = ask.subjects[scope]
    return key === undefined || !this.reads(scope, ask) ? 0 : this.subjects.numberOf(key)
  }

  /** Returns the chunk of the sequence that contains the ask's token. */
  private chunkOf(ask: Ask): Place {
    const { sequence } = this.form
    if (sequence === undefined || !this.asks(sequence.index, ask)) return NO_CHUNK
    const owner = ask.subjects[sequence.check.subject]
    if (owner === undefined) return NO_CHUNK
    return [owner, Math.floor((ask.tokens[sequence.claim] ?? 0) / TOKENS_IN_CHUNK)]
  }

  private asks(index: number, ask: Ask): boolean {
    return this.asking.shapeOf(ask.costs).costs[index] !== 0
  }

  private reads(scope: number, ask: Ask): boolean {
    return this.asking.shapeOf(ask.costs).scopes[scope] === true
  }
}

/** The subject of a chunk (undefined: none), and the number of the chunk. */
type Place = readonly [owner: Key | undefined, chunk: number]

const NO_CHUNK: Place = [undefined, 0]
