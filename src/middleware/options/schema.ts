import type { Context } from 'grammy'
import { z } from 'zod'
import type { WhenDown } from '../../core/check.js'
import { type Duration, type DurationUnit, type Ms, parseDuration } from '../../core/duration.js'
import { SentinelError, type SentinelErrorCode } from '../../core/errors.js'
import { ACTIVITIES } from '../../core/kinds.js'
import { type Limit, type LimitInput, MOST_AMOUNT, parseLimit } from '../../core/limit.js'
import { isOfChat } from '../../core/roles.js'
import { type Key, type Subject, subjectKey } from '../../core/subject.js'
import { isAsync, refuseAsync } from '../../core/unawaited.js'
import type { Denial } from '../refusing/denial.js'
import { oneOf } from './complaints.js'
import { type Part, parts } from './forms.js'

export { inside, parseOptions, problemsOf, unknownOption } from './complaints.js'
export { formsOf, isCodeOnly, namesIn, type Schema, within } from './forms.js'

/*
 * The building blocks of option schemas. Options are checked once, when a guard is created.
 */

/**
 * An optional option, with the description that editors show. Its default is written as a user would write it; checked options
 * contain it, so code that reads them has no defaults of its own.
 */
export function option<S extends z.ZodType>(schema: S, description: string): z.ZodOptional<S>
export function option<S extends z.ZodType>(
  schema: S,
  description: string,
  usual: z.input<S>,
): z.ZodPrefault<S>
export function option(schema: z.ZodType, description: string, usual?: unknown): z.ZodType {
  return (usual === undefined ? schema.optional() : schema.prefault(usual)).meta({ description })
}

/** A role that `guard.grant()` gives. Those that Telegram assigns are not stored as marks, so a plan cannot read them. */
export const grantedRole = z
  .string()
  .refine(
    (role) => !isOfChat(role),
    'must not be a role that Telegram gives. For administrators use exempt: { chatAdmins: true } or requirePermission()',
  )

/** A developer's function. Its parameters and result are checked by the type only. */
export function callable<F>(): z.ZodType<F, F> {
  return given<F>('a function', (value) => typeof value === 'function')
}

/** A function whose result is used synchronously; async functions are rejected. */
export function prompt<F>(): z.ZodType<F, F> {
  return given<F>('a function', (value) => typeof value === 'function' && !isAsync(value), refuseAsync)
}

/** A value that can only be given in code: the JSON schema accepts nothing in its place. */
export function given<T>(
  words: string,
  test: (value: unknown) => boolean,
  read?: Part['read'],
): z.ZodType<T, T> {
  const schema = z.custom<T>(test, `must be ${words}`).meta({ not: {} })
  return schema.register(parts, { words, code: 'option.invalid', ...(read && { read }) })
}

const SPAN = { words: 'a duration such as "10s"', code: 'duration.invalid', read: parseDuration } as const

const spanText = z.string().meta({
  pattern: '^(\\d+(\\.\\d+)?(ms|s|m|h|d|w))+$',
  examples: ['500ms', '10s', '1m', '1h30m'],
}) as unknown as z.ZodType<
  `${number}${DurationUnit}` | `${number}${DurationUnit}${number}${DurationUnit}`,
  Exclude<Duration, number>
>
const span = z
  .union([spanText, z.number().min(0)])
  .register(parts, { ...SPAN, read: (value, what) => parseDuration(value as Duration, what) })

/** A span of time, converted to milliseconds. */
export const duration: z.ZodType<Ms, Duration> = transformed(span, (value) => parseDuration(value, ''), {
  ...SPAN,
  read: (value, what) => parseDuration(value as Duration, what),
})

/** A span of time that is not zero. */
export const timeSpan: typeof duration = duration.refine((ms) => ms >= 1, 'must be 1 ms or more')

const WHOLE = `must be a whole number from 1 to ${MOST_AMOUNT}`
const whole = z.number(WHOLE).int(WHOLE).min(1, WHOLE).max(MOST_AMOUNT, WHOLE)
const limitText = z.string().meta({
  pattern:
    '^\\s*\\d+\\s*/\\s*((\\d+(\\.\\d+)?\\s*(ms|s|m|h|d|w)\\s*)+|(ms|s|m|h|d|w)\\s*)(\\(\\s*burst\\s*\\d+\\s*\\)\\s*)?$',
  examples: ['20/1m', '5/10s', '60/1m (burst 30)'],
}) as unknown as z.ZodType<`${number}/${string}`, `${number}/${string}`>
const limitObject = z.strictObject({
  amount: whole.meta({ description: 'How much.' }),
  per: span.meta({ description: 'The time span: a duration such as "1m", up to 366 days.' }),
  burst: option(whole, 'How much may come at once. Default: amount.'),
})

/** A limit, converted to amount, span and burst. */
export const limit: z.ZodType<Limit, LimitInput> = transformed(
  z.union([limitText, limitObject]),
  (value) => parseLimit(value, ''),
  {
    words: 'a limit such as "20/1m"',
    code: 'limit.invalid',
    read: (value, what) => parseLimit(value as LimitInput, what),
  },
)

const subjectParts = z.union([
  z.number().int().meta({ description: 'A user id.' }),
  z.object({
    kind: z.enum(['user', 'chat', 'sender', 'member', 'command', 'own', 'global']),
    id: z.number().int().optional(),
    name: z.string().optional(),
    actor: z.unknown().optional(),
  }),
]) as unknown as z.ZodType<Subject, Subject>
const SUBJECT: Part = {
  words: 'a Telegram id',
  code: 'subject.invalid',
  read(value, what) {
    try {
      return subjectKey(value as Subject)
    } catch (error) {
      // The parser does not know the option's name, so it is put in place of the error's prefix.
      const message = (error as Error).message.replace(/^[^:]*/, what)
      throw new SentinelError('subject.invalid', message, { cause: error })
    }
  },
}

/** A subject, converted to its key. */
export const subject: z.ZodType<Key, Subject> = transformed(subjectParts, subjectKey, SUBJECT)

export const activities = z.array(z.enum(ACTIVITIES)).min(1, 'must name at least one').readonly()

/** One of several words, with its own error code. */
export function word<const W extends readonly string[]>(words: W, code: SentinelErrorCode) {
  return z.enum(words).register(parts, { words: oneOf(words), code })
}

/** The name of a developer's limit. */
export function named(example: string) {
  const words = `must be a letter, then up to 63 letters, digits, - and _, such as "${example}"`
  return z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, words)
}

/** A command name, with or without the slash. */
export function commandNamed(example: string) {
  return z.string().regex(/^\/?\w{1,64}$/, `must be a command such as "${example}"`)
}

/** What happens while the storage does not answer. */
export function onFailure(usual: WhenDown) {
  const text = 'While the storage does not answer: open admits, closed refuses, local decides in memory.'
  return option(z.enum(['open', 'closed', 'local']), text, usual)
}

const DENY = 'must be "silent", "notice" or a function'
/** Options that all refusing guards share. */
export const refusal = {
  deny: option(
    z.union([z.enum(['silent', 'notice'], DENY), callable<Denial<Context>>()]),
    'What users are told when an update of theirs is stopped.',
    'notice',
  ),
  noticeEvery: option(timeSpan, 'At most one notice per this time.', '1m'),
  shadow: option(z.boolean(), 'Judges, counts and reports, but never refuses.', false),
}

function transformed<S extends z.ZodType, O>(
  schema: S,
  read: (value: z.output<S>) => O,
  part: Part,
): z.ZodType<O, z.input<S>> {
  const pipe = schema.transform((value, ctx) => {
    try {
      return read(value)
    } catch (error) {
      if (!(error instanceof SentinelError)) throw error
      ctx.addIssue({ code: 'custom', message: `must be ${part.words}` })
      return z.NEVER
    }
  })
  return (pipe as z.ZodType).register(parts, part) as unknown as z.ZodType<O, z.input<S>>
}
