import type { Ask } from '../../core/check.js'
import { type Key, keyText } from '../../core/subject.js'
import { variantsOf } from '../contract/plan.js'
import type { BotKeys } from './keys.js'
import type { PlanLayout } from './script/layout.js'
import { scopeTag, sequenceTag } from './script/tags.js'

/** Number of tokens of a sequence in one text of bits. */
const TOKENS_IN_CHUNK = 4096

/** Finds the keys that a question needs, and writes their numbers and the tokens in the format that the plan's script reads. */
export class QuestionKeys {
  private readonly recordTags: readonly (string | undefined)[]
  private readonly marked: readonly boolean[]
  private readonly sequenceTags: readonly (string | undefined)[]
  private readonly needs = new WeakMap<readonly number[], Uint8Array>()

  constructor(private readonly layout: PlanLayout) {
    const { plan } = layout
    this.recordTags = layout.scopes.map(({ name, recorded }) =>
      recorded ? `${scopeTag(plan.name, name)}:` : undefined,
    )
    this.marked = layout.scopes.map(({ marks }) => marks.length > 0)
    this.sequenceTags = layout.claims.map(({ check }) =>
      check.tokens === 'sequence' ? `${sequenceTag(plan.name, check.slot)}:` : undefined,
    )
  }

  /** A JSON description of the plan's keys: prefixes of records, prefixes of sets of sequences, and the slots. */
  get kept(): string {
    const records = this.recordTags.flatMap((tag) => (tag === undefined ? [] : [`r${tag}`]))
    const sequences = this.layout.claims.flatMap(({ check, ordinal }) => {
      const tag = this.sequenceTags[ordinal]
      return tag === undefined ? [] : [[check.slot, `s${tag}`]]
    })
    const slots = [...new Set(this.layout.plan.checks.map(({ slot }) => slot))]
    return JSON.stringify({ records, sequences, slots })
  }

  write(ask: Ask, keys: BotKeys, names: CallKeys, view: DataView, from: number): void {
    let at = from
    const { subjects, tokens, costs } = ask
    const { scopes, claims } = this.layout
    const needs = this.needsOf(costs)
    const { texts, sequences } = names
    for (let i = 0; i < scopes.length; i++) {
      const key = subjects[i]
      const need = key === undefined ? 0 : (needs[i] as number)
      const tag = this.recordTags[i]
      if (tag !== undefined) {
        const name = (need & RECORD) === 0 ? undefined : keys.record + tag + keyText(key as Key)
        view.setUint16(at, name === undefined ? 0 : texts.of(name), true)
        at += 2
      }
      if (this.marked[i]) {
        view.setUint16(at, (need & MARKS) === 0 ? 0 : texts.of(keys.marks + keyText(key as Key)), true)
        at += 2
      }
    }
    for (let i = 0; i < claims.length; i++) {
      const tag = this.sequenceTags[i]
      const token = tokens[i] ?? 0
      if (tag === undefined) {
        view.setFloat64(at, token, true)
        at += 8
        continue
      }
      const { check, index } = claims[i] as PlanLayout['claims'][number]
      const key = costs[index] === 0 ? undefined : subjects[check.subject]
      const chunk = Math.floor(token / TOKENS_IN_CHUNK)
      const name = key === undefined ? undefined : `${keys.sequence}${tag}${keyText(key)}:${chunk}`
      view.setUint16(at, name === undefined ? 0 : sequences.of(name), true)
      view.setUint16(at + 2, token - chunk * TOKENS_IN_CHUNK, true)
      at += 4
    }
  }

  /** Returns what the asked checks need of each scope. Cached, since costs lists are few and never change. */
  private needsOf(costs: readonly number[]): Uint8Array {
    const known = this.needs.get(costs)
    if (known !== undefined) return known
    const needs = new Uint8Array(this.layout.scopes.length)
    const add = (scope: number, what: number): void => {
      needs[scope] = (needs[scope] as number) | what
    }
    this.layout.plan.checks.forEach((check, index) => {
      if (costs[index] === 0) return
      const marked = check.kind === 'absent' || check.kind === 'present'
      if (marked) add(check.subject, MARKS)
      if (!marked || check.onRefusal !== undefined) add(check.subject, RECORD)
      if (check.unless !== undefined) add(check.unless.subject, MARKS)
      for (const { subject } of variantsOf(check)) add(subject, MARKS)
    })
    this.needs.set(costs, needs)
    return needs
  }
}

const RECORD = 1
const MARKS = 2

/** The keys of one call, each listed once: records and marks, then sequences. The bot's clock comes before them. */
export class CallKeys {
  /** Numbered by their position among all keys; the clock is 1. */
  readonly texts = new KeyNumbers(2)
  readonly sequences = new KeyNumbers(1)
}

class KeyNumbers {
  readonly names: string[] = []
  private readonly numbers = new Map<string, number>()

  constructor(private readonly first: number) {}

  of(name: string): number {
    let number = this.numbers.get(name)
    if (number === undefined) {
      number = this.first - 1 + this.names.push(name)
      this.numbers.set(name, number)
    }
    return number
  }
}
