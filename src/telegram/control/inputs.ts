import { z } from 'zod'
import type { Duration } from '../../core/duration.js'

/** An id of a person or a bot. */
export const accountId = z.int().positive().describe('Of a person or a bot.')
/** Of a group or channel, below zero. */
export const chatId = z.int().negative().describe('Of a group or a channel.')
export const messageId = z.int().positive().describe('Of a message in that chat.')
export const text = z.string().min(1).max(100_000)
/** Letters, so that neither a pattern nor a number grows without end. */
export const duration = z
  .union([z.string().max(30), z.number().nonnegative()])
  .describe('Such as "10s", "5m" or "1h30m", or milliseconds.')
  .transform((given) => given as Duration)
/** Real time to wait for something of a bot's. */
export const wait = duration.describe('Real time to wait for it, such as "2s".')

/** How many of a list are given at once. */
export const limit = z.coerce.number().int().min(1).max(1000).default(100)

/** A number as a query has it. */
export const queryNumber = z.coerce.number().int()

/**
 * What a query or a body leaves out is left out, not `undefined`: options of ours are exact.
 */
export function given<Shape extends object>(
  shape: Shape,
): { [Name in keyof Shape]: Exclude<Shape[Name], undefined> } {
  return Object.fromEntries(Object.entries(shape).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Shape]: Exclude<Shape[Name], undefined>
  }
}
