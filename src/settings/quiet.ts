import type { Mark } from '../storage/contract/storage.js'

/** The durable mark of a chat whose administrators have changed a setting other than limits. */
export const SETTINGS_MARK = 'settings'

/** Whether the mark turns notices off. */
export function isQuiet(mark: Mark | undefined): boolean {
  const value = mark?.value as { readonly notices?: unknown } | null | undefined
  return typeof value === 'object' && value !== null && value.notices === false
}
