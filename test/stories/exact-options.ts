import fc from 'fast-check'
import type { Activity } from '../../src/core/kinds.js'
import { type DebounceOptions, type Duration, type OnceOptions, parseLimit } from '../../src/index.js'
import { compact } from './compact.js'

/* Options that the model of `exact-model.ts` understands, drawn at random. */

/** A limit, as the options of `throttle` have it, but with costs as data. */
export interface LimitOptions {
  readonly name: string
  readonly scope?: 'chat' | 'member' | 'command' | 'global'
  readonly limit: string
  readonly algorithm: 'bucket' | 'sliding' | 'sliding-log' | 'sliding-counters' | 'fixed'
  /** `varies`: parts of an album cost 2, the command `/x` costs nothing, everything else 1. */
  readonly cost?: 2 | 'varies'
  readonly penalty?: { readonly after: number; readonly within: Duration; readonly bans: readonly Duration[] }
  /** The limit of people with the role `vip`. */
  readonly forVips?: string
  readonly shadow?: true
  readonly commands?: readonly string[]
  readonly on?: readonly Activity[]
}

export interface ExactOptions {
  readonly throttle: readonly LimitOptions[]
  readonly debounce: false | (DebounceOptions & { readonly window: Duration })
  readonly once: false | OnceOptions
  /** Whether people must be registered. */
  readonly auth: boolean
  /** Whether the third person is the owner of the bot. */
  readonly hasOwner: boolean
  /** Whether the role `mod` is exempt from limits. */
  readonly exemptsMods: boolean
  /** Whether limits can be set while the bot runs. */
  readonly setsLimits: boolean
  /** Whether another sentinel stands in front. */
  readonly hasOuter: boolean
  /** Whether guards in front of a handler are decided together, as with `install()`, or one after the other. */
  readonly installed: boolean
  readonly workers: 1 | 2
}

/** The limit of the sentinel that stands in front, which has no other options. */
export const OUTER_LIMIT: LimitOptions = { name: 'outer', limit: '5/4s', algorithm: 'bucket' }

const base = fc.record({
  limit: fc.constantFrom(
    ...['2/1s', '3/10s', '3/10s (burst 2)', '5/10s (burst 8)', '4/7s', '6/1m', '1/3s', '70/10s'],
  ),
  algorithm: fc.constantFrom(
    ...(['bucket', 'bucket', 'sliding', 'sliding-counters', 'sliding-log', 'fixed'] as const),
  ),
  cost: fc.constantFrom(undefined, undefined, undefined, 2 as const, 'varies' as const),
  penalty: fc.option(
    fc.record({
      after: fc.integer({ min: 1, max: 3 }),
      within: fc.constant('20s' as const),
      bans: fc.constantFrom<readonly Duration[]>(['3s'], ['5s', '20s']),
    }),
    { nil: undefined, freq: 2 },
  ),
  forVips: fc.boolean(),
  shadow: fc.constantFrom(undefined, undefined, undefined, undefined, true as const),
})

const ofAll = base.map((drawn) => limitOf(drawn, { name: 'user' }))
const others = (['chat', 'member', 'command', 'global'] as const).map((scope) =>
  base.map((drawn) => limitOf(drawn, { name: `of-${scope}`, scope })),
)
const ofCommands = base.map((drawn) => limitOf(drawn, { name: 'orders', commands: ['buy', 'x'] }))
/** Activities that a limit lists itself. */
const listed = fc.constantFrom<readonly Activity[]>(
  ['tap', 'edit'],
  ['post', 'service'],
  ['checkout', 'payment', 'message'],
  ['membership', 'inline', 'reaction', 'vote'],
)
const ofListed = fc.tuple(base, listed).map(([drawn, on]) => limitOf(drawn, { name: 'listed', on }))

/** Adapts what was drawn to what the options accept: a cost that fits, and stamps only for fixed costs. */
function limitOf(
  { cost, forVips, limit, ...drawn }: typeof base extends fc.Arbitrary<infer T> ? T : never,
  where: Pick<LimitOptions, 'name' | 'scope' | 'commands' | 'on'>,
): LimitOptions {
  const { amount, per, burst = amount } = parseLimit(limit as `${number}/${number}s`)
  const isLog = drawn.algorithm === 'sliding-log'
  const fits = cost === undefined || (Math.min(amount, burst) >= 2 && !(cost === 'varies' && isLog))
  return compact({
    ...drawn,
    ...where,
    limit,
    cost: fits ? cost : undefined,
    // Windows keep their span for everybody.
    forVips: forVips ? `9/${drawn.algorithm === 'bucket' ? 10_000 : per}ms` : undefined,
  })
}

export const exactOptions: fc.Arbitrary<ExactOptions> = fc.record({
  throttle: fc
    .tuple(
      ofAll,
      // Each is absent from half of the stories.
      ...[...others, ofCommands, ofListed].map((each) => fc.option(each, { nil: undefined, freq: 2 })),
    )
    .map((drawn) => drawn.filter((each) => each !== undefined)),
  debounce: fc.oneof(
    fc.constant(false as const),
    fc.record({
      window: fc.constantFrom<Duration>('500ms', '5s'),
      on: fc.constantFrom(
        ...([['tap'], ['message', 'tap'], ['message'], ['inline', 'tap'], ['post', 'message']] as const),
      ),
    }),
  ),
  once: fc.constantFrom({}, {}, {}, { lease: '30s' as const }, false as const),
  auth: fc.constantFrom(false, false, false, true),
  hasOwner: fc.constantFrom(false, false, true),
  exemptsMods: fc.boolean(),
  setsLimits: fc.boolean(),
  hasOuter: fc.constantFrom(false, false, true),
  installed: fc.boolean(),
  workers: fc.constantFrom(1 as const, 1 as const, 2 as const),
})
