import { type Key, keyText, ownKey, textKey } from '../../core/subject.js'
import type { StorageChange } from '../changes.js'

/** What one worker tells the others: limits of these subjects were given something back, these tokens were let go of. */
export interface Announcement {
  readonly keys: readonly Key[]
  readonly taken: readonly (readonly [slot: string, token: number])[]
}

/**
 * Storages tell of resets, so an announcement is a reset of a subject and a slot that do not exist: it changes nothing, and reaches every worker in order with all other changes.
 */
export const NOBODY: Key = ownKey('sentinel:hybrid')

export function slotOf({ keys, taken }: Announcement): string {
  return JSON.stringify([keys.map(keyText), taken])
}

export function isAnnouncement(change: StorageChange): boolean {
  return change.kind === 'reset' && change.key === NOBODY
}

/** Undefined for what is none of ours, or of a later version: whatever it tells of, nothing remembered is to be trusted. */
export function announced(change: StorageChange): Announcement | undefined {
  if (change.kind !== 'reset' || change.slot === undefined) return undefined
  try {
    const [keys, taken] = JSON.parse(change.slot) as [string[], [string, number][]]
    return {
      keys: keys.map(textKey),
      taken: taken.map(([slot, token]) => [String(slot), Number(token)] as const),
    }
  } catch {
    return undefined
  }
}
