import type { Ask } from '../../core/check.js'
import { type Key, keyText } from '../../core/subject.js'
import type { BotKeys } from './keys.js'
import type { PlanLayout } from './script/layout.js'
import { scopeTag, sequenceTag } from './script/tags.js'

/** 4,096 tokens of a sequence lie in one text of bits. */
const TOKENS_IN_CHUNK = 4096

/** Tells the keys that a question needs, and writes their numbers and its tokens as the plan's script reads them. */
export class QuestionKeys {
  private readonly recordTags: readonly (string | undefined)[]
  private readonly marked: readonly boolean[]
  private readonly sequenceTags: readonly (string | undefined)[]

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

  /** Names of the records that a subject has under this plan, and of the sets of its sequences. */
  recordsOf(keys: BotKeys, key: Key): { records: string[]; sequences: { slot: string; name: string }[] } {
    const text = keyText(key)
    return {
      records: this.recordTags.flatMap((tag) => (tag === undefined ? [] : [keys.record + tag + text])),
      sequences: this.layout.claims.flatMap(({ check, ordinal }) => {
        const tag = this.sequenceTags[ordinal]
        return tag === undefined ? [] : [{ slot: check.slot, name: keys.sequence + tag + text }]
      }),
    }
  }

  write(ask: Ask, keys: BotKeys, numbers: KeyNumbers, view: DataView, from: number): void {
    let at = from
    const { subjects, tokens } = ask
    const { scopes, claims } = this.layout
    for (let i = 0; i < scopes.length; i++) {
      const key = subjects[i]
      const tag = this.recordTags[i]
      if (tag !== undefined) {
        view.setUint16(at, key === undefined ? 0 : numbers.of(keys.record + tag + keyText(key)), true)
        at += 2
      }
      if (this.marked[i]) {
        view.setUint16(at, key === undefined ? 0 : numbers.of(keys.marks + keyText(key)), true)
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
      const key = ask.costs[index] === 0 ? undefined : subjects[check.subject]
      const chunk = Math.floor(token / TOKENS_IN_CHUNK)
      const name = key === undefined ? undefined : `${keys.sequence}${tag}${keyText(key)}:${chunk}`
      view.setUint16(at, name === undefined ? 0 : numbers.of(name), true)
      view.setUint16(at + 2, token - chunk * TOKENS_IN_CHUNK, true)
      at += 4
    }
  }
}

/** The keys of one call, each named once. The first is the bot's clock. */
export class KeyNumbers {
  readonly names: string[]
  private readonly numbers = new Map<string, number>()

  constructor(clock: string) {
    this.names = [clock]
  }

  /** From 1, as Lua counts. */
  of(name: string): number {
    let number = this.numbers.get(name)
    if (number === undefined) {
      number = this.names.push(name)
      this.numbers.set(name, number)
    }
    return number
  }
}
