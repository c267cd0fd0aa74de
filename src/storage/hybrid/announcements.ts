import { type Key, keyText, ownKey, textKey } from '../../core/subject.js'
import type { StorageChange } from '../contract/changes.js'

/** A message from one worker to the others: limits of these subjects were given something back, these tokens were released. */
export interface Announcement {
  readonly keys: readonly Key[]
  readonly taken: readonly (readonly [slot: string, token: number])[]
}

/**
 * The subject that announcements are sent to. Storages report resets, so an announcement is a reset of a subject and slot that do
 * not exist: it changes nothing, but reaches every worker in order with all other changes.
 */
export const NOBODY: Key = ownKey('sentinel:hybrid')

export function slotOf({ keys, taken }: Announcement): string {
  return JSON.stringify([keys.map(keyText), taken])
}

export function isAnnouncement(change: StorageChange): boolean {
  return change.kind === 'reset' && change.key === NOBODY
}

/** Parses an announcement. Returns undefined if it is invalid or from a later version; everything remembered is then in doubt. */
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
