import type { Context } from 'grammy'
import type { Duration, Ms } from '../../src/core/duration.js'
import { parseDuration } from '../../src/core/duration.js'
import { type Limit, type LimitInput, parseLimit } from '../../src/core/limit.js'
import { type Subject, type SubjectRef, subject } from '../../src/core/subject.js'
import { policy, type SentinelOptions, sentinel, throttle } from '../../src/index.js'
import { expectType } from './expect.js'

// Durations.
export const durations: Duration[] = [0, 1500, '500ms', '10s', '1m', '1.5h', '1h30m', '7d', '2w']
// @ts-expect-error: the unit is missing
export const unitless: Duration = '10'
// @ts-expect-error: unknown unit
export const fortnight: Duration = '1fortnight'
// @ts-expect-error: the number is missing
export const bare: Duration = 'h'
// @ts-expect-error: units must be abbreviated
export const long: Duration = '10 seconds'
// @ts-expect-error: Date is not accepted
export const date: Duration = new Date(0)
// @ts-expect-error: bigint is not accepted
export const big: Duration = 10n

expectType<Ms>()(parseDuration('1h'))
// A text of type `string` is checked at run time.
expectType<number>()(parseDuration(String(Math.random())))
// @ts-expect-error: undefined is not a duration
parseDuration(undefined)

// Limits.
export const limits: LimitInput[] = [
  '20/1m',
  '5/10s',
  '1/s',
  { amount: 60, per: '1m' },
  { amount: 60, per: 60_000, burst: 30 },
  { amount: 60, per: '1m', burst: undefined },
]
// @ts-expect-error: the period is missing
export const endless: LimitInput = { amount: 60 }
// @ts-expect-error: the amount is missing
export const amountless: LimitInput = { per: '1m' }
// @ts-expect-error: the amount must be a number
export const worded: LimitInput = { amount: '60', per: '1m' }
// @ts-expect-error: per must be a duration
export const spanless: LimitInput = { amount: 60, per: 'minute' }
// @ts-expect-error: unknown option
export const misspelt: LimitInput = { amount: 60, per: '1m', bursts: 30 }
// @ts-expect-error: the period is missing
export const timeless: LimitInput = 20
// @ts-expect-error: the amount must come first
export const amountLast: LimitInput = 'm/20'

// A text of type `string` is parsed at run time, and is then accepted as a limit.
declare const outside: string
// @ts-expect-error: an arbitrary text may not be a limit
export const unread: LimitInput = outside
export const readFirst: LimitInput[] = [parseLimit(outside), { amount: 60, per: parseDuration(outside) }]
throttle(parseLimit(outside))
throttle({ limit: parseLimit(outside), roles: { vip: parseLimit(outside) } })
sentinel({ throttle: [parseLimit(outside), { name: 'day', limit: parseLimit(outside) }] })
policy('calm', { throttle: parseLimit(outside) })

// Separate option objects keep their literal types.
const options = { throttle: '20/1m', debounce: { window: '1s' } } satisfies SentinelOptions
sentinel(options)
const written = { throttle: '20/1m' } as const
sentinel(written)
// @ts-expect-error: literals are checked there, too
export const slip = { throttle: '20 a minute' } satisfies SentinelOptions
const loose = { throttle: '20/1m' }
// @ts-expect-error: the type of a variable is widened to string
sentinel(loose)

// Why `string` is not accepted: every typo would be accepted, too, with completion preserved by `string & {}` or not.
type Lenient = LimitInput | (string & {})
export const slips: Lenient[] = ['20', '20 a minute', 'm/20']
// A generic type of the text could distinguish typos from `string`, but only where no other type parameter is given: a call
// that names the context (`sentinel<MyContext>(…)`) has to name all type parameters.
type Looked<Text extends string> = string extends Text ? Text : Text & `${number}/${string}`
declare function looks<C extends Context, const Text extends string = string>(text: Looked<Text>): C
looks(outside)
// @ts-expect-error: the typo is found without type arguments
looks('20 a minute')
looks<Context>('20 a minute')

const limit = parseLimit('20/1m')
expectType<Limit>()(limit)
// @ts-expect-error: limits are read-only
limit.amount = 1
// @ts-expect-error: undefined is not a limit
parseLimit(undefined)

// Subjects.
export const subjects: Subject[] = [1, subject.user(1), subject.member(1, -100), subject.global()]
expectType<SubjectRef>()(subject.chat(-100))
// @ts-expect-error: ids are numbers
subject.user('1')
// @ts-expect-error: the chat is missing
subject.member(1)
// @ts-expect-error: a username is not a subject
export const named: Subject = '@alice'
