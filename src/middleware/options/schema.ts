import type { Context } from 'grammy'
import { z } from 'zod'
import type { WhenDown } from '../../core/check.js'
import { type Duration, type DurationUnit, type Ms, parseDuration } from '../../core/duration.js'
import { SentinelError, type SentinelErrorCode } from '../../core/errors.js'
import { ACTIVITIES } from '../../core/facts.js'
import { type Limit, type LimitInput, MOST_AMOUNT, parseLimit } from '../../core/limit.js'
import { type Key, type Subject, subjectKey } from '../../core/subject.js'
import { isAsync, refuseAsync } from '../../core/unawaited.js'
import type { Denial } from '../refusing/denial.js'
import { oneOf } from './complaints.js'
import { type Part, parts } from './forms.js'

export { inside, parseOptions, problemsOf, unknownOption } from './complaints.js'
export { formsOf, isCodeOnly, namesIn, type Schema, within } from './forms.js'

/*
 * The parts that options are made of. Options are checked once, when a guard is made.
 */

/** An option that may be left out, with what an editor shows of it. */
export function option<S extends z.ZodType>(
  schema: S,
  description: string,
  usual?: unknown,
): z.ZodOptional<S> {
  return schema.optional().meta(shownAs(description, usual))
}

/** `default` would be dropped beside a part that is transformed; this is where zod itself keeps those of inputs. */
function shownAs(description: string, usual: unknown): Record<string, unknown> {
  return usual === undefined ? { description } : { description, _prefault: usual }
}

/** A function of the developer's. What it takes and returns is the type's business. */
export function callable<F>(): z.ZodType<F, F> {
  return given<F>('a function', (value) => typeof value === 'function')
}

/** A function whose answer is used at once. */
export function prompt<F>(): z.ZodType<F, F> {
  return given<F>('a function', (value) => typeof value === 'function' && !isAsync(value), refuseAsync)
}

/** Something that only code can give: a schema of a file admits nothing in its place. */
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

/** A span of time, read into milliseconds. */
export const duration: z.ZodType<Ms, Duration> = transformed(span, (value) => parseDuration(value, ''), {
  ...SPAN,
  read: (value, what) => parseDuration(value as Duration, what),
})

const WHOLE = `must be a whole number from 1 to ${MOST_AMOUNT}`
const whole = z.number(WHOLE).int(WHOLE).min(1, WHOLE).max(MOST_AMOUNT, WHOLE)
const limitText = z.string().meta({
  pattern:
    '^\\s*\\d+\\s*/\\s*((\\d+(\\.\\d+)?\\s*(ms|s|m|h|d|w)\\s*)+|(ms|s|m|h|d|w)\\s*)(\\(\\s*burst\\s*\\d+\\s*\\)\\s*)?$',
  examples: ['20/1m', '5/10s', '60/1m (burst 30)'],
}) as unknown as z.ZodType<`${number}/${string}`, `${number}/${string}`>
const limitObject = z.strictObject({
  amount: whole.meta({ description: 'How much.' }),
  per: span.meta({ description: 'Per how long: a duration such as "1m", up to 366 days.' }),
  burst: option(whole, 'How much may come at once. Default: as much as amount.'),
})

/** A limit, read into amount, span and burst. */
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
      // It does not know which option it was given to.
      const message = (error as Error).message.replace(/^[^:]*/, what)
      throw new SentinelError('subject.invalid', message, { cause: error })
    }
  },
}

/** Whom an option names, read into a key. */
export const subject: z.ZodType<Key, Subject> = transformed(subjectParts, subjectKey, SUBJECT)

export const activities = z.array(z.enum(ACTIVITIES)).min(1, 'must name at least one').readonly()

/** One of a few words, for which there is a code of its own. */
export function word<const W extends readonly string[]>(words: W, code: SentinelErrorCode) {
  return z.enum(words).register(parts, { words: oneOf(words), code })
}

/** What a limit of a developer's is called. */
export function named(example: string) {
  const words = `must be a name of 1 to 64 letters, digits, - and _, such as "${example}"`
  return z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, words)
}

/** A command, with its slash or without. */
export function commandNamed(example: string) {
  return z.string().regex(/^\/?\w{1,64}$/, `must be a command such as "${example}"`)
}

/** What holds while the storage does not answer. */
export function onFailure(usual: WhenDown) {
  const text = 'While the storage does not answer: open lets pass, closed refuses, local decides in memory.'
  return option(z.enum(['open', 'closed', 'local']), text, usual)
}

const DENY = 'must be "silent", "notice" or a function'
/** What all guards that refuse may be told. */
export const refusal = {
  deny: option(
    z.union([z.enum(['silent', 'notice'], DENY), callable<Denial<Context>>()]),
    'How whoever is stopped is answered.',
    'notice',
  ),
  noticeEvery: option(duration, 'One notice in so long.', '1m'),
  shadow: option(z.boolean(), 'Judged, counted and told to listeners, never refusing.', false),
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
