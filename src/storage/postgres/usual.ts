import type { Ask } from '../../core/check.js'
import { type Asking, array, type Question, type Shape, TOKENS_IN_CHUNK, textArray } from './asking.js'
import type { UsualForm } from './function-usual.js'
import { type Subjects, storedText } from './keys.js'

/** Questions, sorted by how they are asked. */
export interface Sorted<Q extends Question> {
  /** Of one subject each, in the order of these. */
  readonly usual: readonly Q[]
  readonly others: readonly Q[]
}

/** Fewer at a time are not worth a statement of their own. */
const LEAST = 2

/** Turns questions that are as most are into the arguments of the function that decides them in one go. */
export class Usual {
  private readonly shapes = new WeakMap<Shape, boolean>()

  constructor(
    private readonly form: UsualForm,
    private readonly asking: Asking,
    private readonly subjects: Subjects,
  ) {}

  /**
   * Which questions may be asked together. Those of a subject that is asked about twice may not: they are decided in turn.
   * Undefined where it is better to ask all of them in the ordinary way.
   */
  sort<Q extends Question>(questions: readonly Q[]): Sorted<Q> | undefined {
    const { sequence } = this.form
    const seen = new Map<number, number>()
    const tokens = new Set<number>()
    const first = questions[0] as Q
    for (const { ask } of questions) {
      const subject = this.mainOf(ask)
      seen.set(subject, (seen.get(subject) ?? 0) + 1)
      if (sequence === undefined || !this.asks(sequence.index, ask)) continue
      const token = ask.tokens[sequence.claim] ?? 0
      // An update that came twice: whose turn it is matters to whoever is first.
      if (tokens.has(token)) return undefined
      tokens.add(token)
    }
    const usual: Q[] = []
    const others: Q[] = []
    for (const question of questions) {
      const fits = seen.get(this.mainOf(question.ask)) === 1 && this.isUsual(question, first)
      ;(fits ? usual : others).push(question)
    }
    if (usual.length < LEAST || usual.length < others.length) return undefined
    usual.sort((a, b) => this.mainOf(a.ask) - this.mainOf(b.ask))
    return { usual, others }
  }

  /** The arguments of the function: see there. */
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
      array([first.bot, serial, own, at, owner, chunk]),
      this.asking.names,
      texts.size === 0 ? '{}' : textArray([...texts]),
      array(questions.map(({ ask }) => this.asking.shapeOf(ask.costs).asked)),
      ...lists,
      ...tokens,
    ]
  }

  private isUsual({ ask, own, at }: Question, first: Question): boolean {
    if (ask.limits !== undefined || own !== first.own || at !== first.at || this.mainOf(ask) === 0)
      return false
    const shape = this.asking.shapeOf(ask.costs)
    let fits = this.shapes.get(shape)
    if (fits === undefined) {
      fits = shape.plain && shape.costs.every((cost, index) => cost === 0 || this.form.checks[index] === true)
      this.shapes.set(shape, fits)
    }
    if (!fits) return false
    const [owner, chunk] = this.chunkOf(ask)
    const [firstOwner, firstChunk] = this.chunkOf(first.ask)
    return owner === firstOwner && chunk === firstChunk
  }

  /** The subject whose record is written; 0 if there is none. */
  private mainOf(ask: Ask): number {
    const { scope } = this.form.main
    const key = ask.subjects[scope]
    return key === undefined || !this.reads(scope, ask) ? 0 : this.subjects.numberOf(key)
  }

  /** Whose number of the sequence is taken (0: nobody's), and which 4,096 it is among. */
  private chunkOf(ask: Ask): readonly [owner: number, chunk: number] {
    const { sequence } = this.form
    if (sequence === undefined || !this.asks(sequence.index, ask)) return NO_CHUNK
    const key = ask.subjects[sequence.check.subject]
    if (key === undefined) return NO_CHUNK
    return [this.subjects.numberOf(key), Math.floor((ask.tokens[sequence.claim] ?? 0) / TOKENS_IN_CHUNK)]
  }

  private asks(index: number, ask: Ask): boolean {
    return this.asking.shapeOf(ask.costs).costs[index] !== 0
  }

  private reads(scope: number, ask: Ask): boolean {
    return this.asking.shapeOf(ask.costs).scopes[scope] === true
  }
}

const NO_CHUNK = [0, 0] as const
