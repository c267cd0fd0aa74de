import type { Key } from '../../core/subject.js'
import { HASH, hashOf } from './hash.js'

/** A hash that recognizes an erased subject without storing the id. */
export function digestOf(key: Key): string {
  hashOf(key)
  return `${HASH.high.toString(36)}.${HASH.low.toString(36)}`
}

/** Subjects that were erased, and when; workers share this besides their statistics. */
export interface Forgotten {
  readonly forgotten: readonly string[]
  readonly at: number
}

/** Returns undefined for any other value. */
export function readForgotten(written: unknown): Forgotten | undefined {
  if (typeof written !== 'object' || written === null) return undefined
  const { forgotten, at } = written as Partial<Forgotten>
  return Array.isArray(forgotten) && typeof at === 'number' ? { forgotten, at } : undefined
}
