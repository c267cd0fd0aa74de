import { z } from 'zod'
import type { Duration } from '../../core/duration.js'

/** Id of a person or bot. */
export const accountId = z.int().positive().describe('Of a person or a bot.')
/** Id of a group or channel, which is negative. */
export const chatId = z.int().negative().describe('Of a group or a channel.')
export const messageId = z.int().positive().describe('Of a message in that chat.')
export const text = z.string().min(1).max(100_000)
/** A duration, of bounded length so that parsing stays cheap. */
export const duration = z
  .union([z.string().max(30), z.number().nonnegative()])
  .describe('Such as "10s", "5m" or "1h30m", or milliseconds.')
  .transform((given) => given as Duration)
/** Real time to wait for a bot. */
export const wait = duration.describe('Real time to wait for it, such as "2s".')

/** Maximum number of items returned. */
export const limit = z.coerce.number().int().min(1).max(1000).default(100)

/** A number in a query string. */
export const queryNumber = z.coerce.number().int()

/** Drops properties that are undefined: the options are typed with exactOptionalPropertyTypes. */
export function given<Shape extends object>(
  shape: Shape,
): { [Name in keyof Shape]: Exclude<Shape[Name], undefined> } {
  return Object.fromEntries(Object.entries(shape).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Shape]: Exclude<Shape[Name], undefined>
  }
}
