import type { Context } from 'grammy'
import { z } from 'zod'
import { type Duration, parseDuration } from '../core/duration.js'
import { SentinelError, type SentinelErrorCode } from '../core/errors.js'
import { ACTIVITIES } from '../core/facts.js'
import { type LimitInput, parseLimit } from '../core/limit.js'
import type { Denial } from './denial.js'

/*
 * The parts that options are made of, and how a wrong one is told. Options are checked once, when a guard is made.
 */

/** A function of the developer's. What it takes and returns is the type's business. */
export function callable<F>(): z.ZodType<F, F> {
  return z.custom<F>((value) => typeof value === 'function', 'must be a function')
}

/** A span of time, read into milliseconds. */
export const duration = checkedBy<Duration, number>((value) => parseDuration(value, ''), 'duration')

/** A limit, read into amount, span and burst. */
export const limit = checkedBy<LimitInput, ReturnType<typeof parseLimit>>(
  (value) => parseLimit(value, ''),
  'limit',
)

export const activities = z.array(z.enum(ACTIVITIES)).min(1).readonly()

/** What all guards that refuse may be told. */
export const refusal = {
  /** How whoever is stopped is answered. */
  deny: z.union([z.enum(['silent', 'notice']), callable<Denial<Context>>()]).optional(),
  /** One notice in so long. */
  noticeEvery: duration.optional(),
  /** Judged, counted and told to listeners, never refusing. */
  shadow: z.boolean().optional(),
}

/** Codes that a value carries through the schema: the parser that refused it knows best. */
interface CodedIssue {
  readonly params?: { readonly sentinelCode?: SentinelErrorCode; readonly sentinelMessage?: string }
}

/**
 * Checks options against their schema.
 *
 * @throws SentinelError `option.unknown` or `option.invalid` (or the code of the part that is wrong), naming the
 * option, the value and the mend.
 */
export function parseOptions<S extends z.ZodType>(what: string, schema: S, input: unknown): z.output<S> {
  const result = schema.safeParse(input)
  if (result.success) return result.data
  const issue = result.error.issues[0] as z.core.$ZodIssue
  const path = [what, ...issue.path.map(String)].filter((part) => part !== '').join('.')
  const coded = (issue as CodedIssue).params
  if (coded?.sentinelCode !== undefined) {
    throw new SentinelError(coded.sentinelCode, `${path}${coded.sentinelMessage}`)
  }
  if (issue.code === 'unrecognized_keys') {
    const unknown = issue.keys[0] as string
    throw new SentinelError('option.unknown', `${path}.${unknown}: there is no such option.`)
  }
  throw new SentinelError('option.invalid', `${path}: ${issue.message}`)
}

function checkedBy<I, O>(read: (value: I) => O, what: string): z.ZodType<O, I> {
  return z.custom<I>().transform((value, ctx) => {
    try {
      return read(value)
    } catch (error) {
      if (!(error instanceof SentinelError)) throw error
      ctx.addIssue({
        code: 'custom',
        message: `is no ${what}`,
        params: { sentinelCode: error.code, sentinelMessage: error.message },
      })
      return z.NEVER
    }
  })
}
