import { Digest } from '../../../core/digest.js'

/*
 * Records name their parts by tags: 32 bits of a digest of the slot and of what is kept there. So a record is read
 * under any plan, and what a plan does not know it leaves as it found it.
 */

/** What a part of a record holds. Stored: never renumber. */
export const PART = { bucket: 1, counters: 2, fixed: 3, log: 4, claims: 5, penalty: 6, claim: 7 } as const

export type PartKind = (typeof PART)[keyof typeof PART]

const digest = Digest.keyed('parts of records')

/** The tag of one kind of state in one slot. The same in every process and release. */
export function tagOf(kind: PartKind | 'slot' | 'sequence', slot: string): number {
  return digest.number(`${kind} ${slot}`) % 2 ** 32
}

/** A short name for a plan's scope, whatever is written in either. */
export function scopeTag(plan: string, scope: string): string {
  return digest.hex(`${plan.length} ${plan} ${scope}`).slice(0, 8)
}

/** A short name for a claim's slot. */
export function sequenceTag(plan: string, slot: string): string {
  return digest.hex(`sequence ${plan.length} ${plan} ${slot}`).slice(0, 8)
}

/** What a mark is filed under beside its subject: 48 bits of a digest of its name. */
export function markTag(name: string): number {
  return digest.number(`mark ${name}`) % 2 ** 48
}
