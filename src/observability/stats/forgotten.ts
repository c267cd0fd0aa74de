import type { Key } from '../../core/subject.js'
import { HASH, hashOf } from './hash.js'

/** A digest by which somebody who was erased is known again. The id itself is not kept. */
export function digestOf(key: Key): string {
  hashOf(key)
  return `${HASH.high.toString(36)}.${HASH.low.toString(36)}`
}

/** Who was erased, and when: what workers tell one another, beside what they have counted. */
export interface Forgotten {
  readonly forgotten: readonly string[]
  readonly at: number
}

/** Undefined for anything else that is kept beside it. */
export function readForgotten(written: unknown): Forgotten | undefined {
  if (typeof written !== 'object' || written === null) return undefined
  const { forgotten, at } = written as Partial<Forgotten>
  return Array.isArray(forgotten) && typeof at === 'number' ? { forgotten, at } : undefined
}
