import type { Ask } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { depthOf, type Limit } from '../../core/limit.js'
import { isSoundLimit, variantsOf } from '../contract/plan.js'
import { storedText } from '../shared/sql.js'
import { isUsed, rowWidth } from './function/general.js'
import { type Layout, TOKENS_IN_CHUNK } from './layout.js'
import type { Subjects } from './subjects.js'

/** More than any limit holds, so that it never fits, yet small enough that its product with any span does not overflow. */
const MOST_COST = 1_000_000

/** A question to be decided. */
export interface Question {
  readonly ask: Ask
  /** The bot's own time, or -1 for the server's. */
  readonly own: Ms
  readonly at: Ms
}

/** The meaning of a costs list for a plan. */
export interface Shape {
  readonly costs: readonly number[]
  /** By scope: whether any of the asked checks reads it. */
  readonly scopes: readonly boolean[]
  /** Every cost is 0 or 1. */
  readonly plain: boolean
  /** Checks with a cost, as bits. */
  readonly asked: number
}

/** Turns questions into the arguments of a plan's functions. */
export class Asking {
  private readonly shapes = new WeakMap<readonly number[], Shape>()
  private readonly used: readonly number[]
  /** Marks that the plan reads. */
  readonly names: string
  private readonly marked: readonly boolean[]
  private readonly claims: readonly { readonly index: number; readonly sequence: number; scope: number }[]

  constructor(
    private readonly layout: Layout,
    private readonly subjects: Subjects,
  ) {
    this.used = layout.scopes.filter(isUsed).map(({ scope }) => scope)
    this.marked = layout.scopes.map(({ marks }) => marks.length > 0)
    this.names = textArray(layout.marks.map(storedText))
    this.claims = layout.columns
      .filter(({ claim }) => claim >= 0)
      .map(({ index, sequence, check }) => ({ index, sequence, scope: check.subject }))
  }

  /** Returns the arguments of the quick function. */
  quickArguments({ ask, own, at }: Question, serial: number): string[] {
    const shape = this.shapeOf(ask.costs)
    let texts: string[] | undefined
    let numbers = `{${ask.bot},${serial},${own},${at},${shape.asked}`
    for (const scope of this.used) {
      const key = ask.subjects[scope]
      const given = key !== undefined && shape.scopes[scope] === true
      numbers += given ? `,${this.subjects.numberOf(key)}` : ',0'
      if (!given || typeof key !== 'string' || this.marked[scope] !== true) continue
      texts ??= []
      texts.push(storedText(key))
    }
    let nth = 0
    for (const { index, sequence, scope } of this.claims) {
      const token = ask.tokens[nth++] ?? 0
      if (sequence < 0) {
        numbers += `,${token}`
        continue
      }
      const key = ask.subjects[scope]
      const owner = key === undefined || shape.costs[index] === 0 ? 0 : this.subjects.numberOf(key)
      numbers += `,${owner},${Math.floor(token / TOKENS_IN_CHUNK)},${token % TOKENS_IN_CHUNK}`
    }
    return [`${numbers}}`, this.names, texts === undefined ? '{}' : textArray(texts)]
  }

  /** Returns the arguments after bot, commit flag and serial. */
  argumentsOf(questions: readonly Question[]): string[] {
    const { layout } = this
    const width = rowWidth(layout)
    const rows: number[] = new Array(questions.length * width)
    const lists = new Map<readonly number[], number>()
    const costs: number[] = []
    const limits: number[] = []
    const records = layout.scopes.map(() => new Places())
    const chunks = layout.sequences.map(() => new Chunks())
    const texts = new Set<string>()

    // First collect and sort all subjects, since questions refer to them by position.
    for (const { ask } of questions) {
      const shape = this.shapeOf(ask.costs)
      for (const scope of this.used) {
        const key = ask.subjects[scope]
        if (key === undefined || shape.scopes[scope] !== true) continue
        ;(records[scope] as Places).add(this.subjects.numberOf(key))
        if (typeof key === 'string' && this.marked[scope] === true) texts.add(storedText(key))
      }
      for (const [nth, { index, sequence, scope }] of this.claims.entries()) {
        const key = ask.subjects[scope]
        if (sequence < 0 || key === undefined || shape.costs[index] === 0) continue
        const number = Math.floor((ask.tokens[nth] ?? 0) / TOKENS_IN_CHUNK)
        ;(chunks[sequence] as Chunks).add(this.subjects.numberOf(key), number)
      }
    }
    for (const places of records) places.sort()
    for (const places of chunks) places.sort()

    let at = 0
    for (const { ask, own, at: clock } of questions) {
      const shape = this.shapeOf(ask.costs)
      let list = lists.get(ask.costs)
      if (list === undefined) {
        list = lists.size + 1
        lists.set(ask.costs, list)
        costs.push(...shape.costs)
      }
      rows[at++] = own
      rows[at++] = clock
      rows[at++] = list
      rows[at++] = ask.limits === undefined ? 0 : this.pushLimits(ask.limits, limits)
      for (const scope of this.used) {
        const key = ask.subjects[scope]
        rows[at++] =
          key === undefined || shape.scopes[scope] !== true
            ? 0
            : (records[scope] as Places).placeOf(this.subjects.numberOf(key))
      }
      for (const [nth, { index, sequence, scope }] of this.claims.entries()) {
        const token = ask.tokens[nth] ?? 0
        if (sequence < 0) {
          rows[at++] = token
          continue
        }
        const key = ask.subjects[scope]
        rows[at++] =
          key === undefined || shape.costs[index] === 0
            ? 0
            : (chunks[sequence] as Chunks).placeOf(
                this.subjects.numberOf(key),
                Math.floor(token / TOKENS_IN_CHUNK),
              )
        rows[at++] = token % TOKENS_IN_CHUNK
      }
    }
    return [
      this.names,
      texts.size === 0 ? '{}' : textArray([...texts]),
      array(costs),
      array(limits),
      array(rows),
      ...this.used.map((scope) => array((records[scope] as Places).ids)),
      ...chunks.flatMap((places) => [array(places.subjects), array(places.numbers)]),
    ]
  }

  /** Whether a question can be asked of the plan's quick function. */
  isPlain({ ask }: Question): boolean {
    return ask.limits === undefined && this.shapeOf(ask.costs).plain
  }

  /** Returns the numbers of the subjects whose records a question reads, with their scopes. */
  recordsOf({ ask }: Question): { scope: number; subject: number }[] {
    const shape = this.shapeOf(ask.costs)
    return this.used.flatMap((scope) => {
      const key = ask.subjects[scope]
      if (key === undefined || shape.scopes[scope] !== true) return []
      return [{ scope, subject: this.subjects.numberOf(key) }]
    })
  }

  shapeOf(costs: readonly number[]): Shape {
    let shape = this.shapes.get(costs)
    if (shape === undefined) {
      const { columns, scopes } = this.layout
      const own = columns.map(({ index }) => soundCost(costs[index]))
      const read = scopes.map(() => false)
      for (const { index, check } of columns) {
        if (own[index] === 0) continue
        read[check.subject] = true
        if (check.unless !== undefined) read[check.unless.subject] = true
        for (const { subject } of variantsOf(check)) read[subject] = true
      }
      const asked = own.reduce((bits, cost, index) => (cost === 0 ? bits : bits + 2 ** index), 0)
      shape = { costs: own, scopes: read, asked, plain: own.every((cost) => cost === 0 || cost === 1) }
      this.shapes.set(costs, shape)
    }
    return shape
  }

  /** Adds a list of limits and returns its number, counting from 1. */
  private pushLimits(limits: readonly (Limit | undefined)[], to: number[]): number {
    const { columns } = this.layout
    for (const { index } of columns) {
      const limit = limits[index]
      if (!isSoundLimit(limit)) to.push(0, 0, 0)
      else to.push(limit.amount, limit.per, depthOf(limit))
    }
    return to.length / (columns.length * 3)
  }
}

function soundCost(cost: number | undefined): number {
  return cost !== undefined && cost > 0 ? Math.min(cost, MOST_COST) : 0
}

/** Distinct subjects in order, with the position of each. */
class Places {
  ids: number[] = []
  private readonly places = new Map<number, number>()

  add(id: number): void {
    if (this.places.has(id)) return
    this.places.set(id, 0)
    this.ids.push(id)
  }

  sort(): void {
    if (this.ids.length > 1) this.ids.sort(ascending)
    for (let i = 0; i < this.ids.length; i++) this.places.set(this.ids[i] as number, i + 1)
  }

  placeOf(id: number): number {
    return this.places.get(id) as number
  }
}

/** Distinct pairs of subject and chunk in order. There are few, since tokens of a sequence are close together. */
class Chunks {
  subjects: number[] = []
  numbers: number[] = []
  private readonly pairs: [subject: number, number: number][] = []
  private readonly places = new Map<number, Map<number, number>>()

  add(subject: number, number: number): void {
    let of = this.places.get(subject)
    if (of === undefined) {
      of = new Map()
      this.places.set(subject, of)
    }
    if (of.has(number)) return
    of.set(number, 0)
    this.pairs.push([subject, number])
  }

  sort(): void {
    this.pairs.sort(([a, m], [b, n]) => a - b || m - n)
    this.pairs.forEach(([subject, number], index) => {
      this.places.get(subject)?.set(number, index + 1)
    })
    this.subjects = this.pairs.map(([subject]) => subject)
    this.numbers = this.pairs.map(([, number]) => number)
  }

  placeOf(subject: number, number: number): number {
    return this.places.get(subject)?.get(number) as number
  }
}

function ascending(a: number, b: number): number {
  return a - b
}

export function array(numbers: readonly number[]): string {
  return `{${numbers.join(',')}}`
}

export function textArray(texts: readonly string[]): string {
  return `{${texts.map((text) => `"${text.replace(/[\\"]/g, '\\$&')}"`).join(',')}}`
}
