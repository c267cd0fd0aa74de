import { Digest } from '../../../core/digest.js'

/*
 * Parts of a record are identified by tags: 32 bits of a digest of the slot and the kind of state. Any plan can thus read a
 * record, and leaves parts it does not know unchanged.
 */

/** Kinds of parts in a record. They are stored: never renumber them. */
export const PART = { bucket: 1, counters: 2, fixed: 3, log: 4, claims: 5, penalty: 6, claim: 7 } as const

export type PartKind = (typeof PART)[keyof typeof PART]

const digest = Digest.keyed('parts of records')

/** Returns the tag of one kind of state in one slot. It must be the same in every process and release. */
export function tagOf(kind: PartKind | 'slot' | 'sequence', slot: string): number {
  return digest.number(`${kind} ${slot}`) % 2 ** 32
}

/** Returns a short name for a plan's scope, independent of the characters in either. */
export function scopeTag(plan: string, scope: string): string {
  return digest.hex(`${plan.length} ${plan} ${scope}`).slice(0, 8)
}

/** Returns a short name for a claim's slot. */
export function sequenceTag(plan: string, slot: string): string {
  return digest.hex(`sequence ${plan.length} ${plan} ${slot}`).slice(0, 8)
}

/** Returns the tag of a mark within the marks of a subject: 48 bits of a digest of its name. */
export function markTag(name: string): number {
  return digest.number(`mark ${name}`) % 2 ** 48
}
