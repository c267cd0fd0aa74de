import fc from 'fast-check'
import type { ConcurrencyOptions, SentinelOptions } from '../../src/index.js'
import { compact } from './compact.js'

/* Options of the sentinels of a story, drawn at random. */

/** Options that a story also changes while its workers run. */
export type Changeable = Pick<SentinelOptions, 'throttle' | 'debounce' | 'concurrency'>

export interface FlowOptions extends Changeable {
  readonly once: SentinelOptions['once']
  readonly membership: boolean
  readonly workers: 1 | 2
  /** Whether handlers have guards of their own. */
  readonly guardedHandlers: boolean
  /** A hook that may refuse updates. It answers at once, or after this many milliseconds. */
  readonly hook: { readonly at: HookPoint; readonly after: number } | undefined
}

type HookPoint = (typeof HOOK_POINTS)[number]
const HOOK_POINTS = [
  'before:once',
  'before:throttle',
  'after:throttle',
  'after:once',
  'after:debounce',
  'after:concurrency',
  'allowed',
] as const

function maybe<const T>(...values: readonly T[]): fc.Arbitrary<T | undefined> {
  return fc.option(fc.constantFrom(...values), { nil: undefined })
}

// Half of the limits refuse nobody in a story, so that updates also reach the other guards in numbers.
const limit = {
  limit: fc.constantFrom('90000/1m', '90000/1m', '3/10s', '2/1s', '5/10s (burst 2)', '8/1m'),
  algorithm: fc.constantFrom(
    'bucket' as const,
    'sliding' as const,
    'fixed' as const,
    'sliding-counters' as const,
  ),
  penalty: maybe({ after: 2, within: '20s', bans: ['5s', '20s'] }),
}
const throttle = fc.oneof(
  { weight: 1, arbitrary: fc.constant(false as const) },
  {
    weight: 6,
    arbitrary: fc
      .tuple(
        fc.record(limit).map(compact),
        fc.subarray(
          [
            { name: 'chat', scope: 'chat' as const },
            { name: 'commands', commands: ['buy', 'x'] },
            { name: 'member', scope: 'member' as const, shadow: true },
          ],
          { maxLength: 3 },
        ),
      )
      .map(([main, others]) => [main, ...others.map((other) => ({ ...main, ...other }))]),
  },
)

const debounce = fc.oneof(
  fc.constant(false as const),
  fc
    .record({ window: fc.constant('500ms' as const), on: maybe(['tap' as const]), albums: maybe('300ms') })
    .map(compact),
  fc.constant({ albums: '300ms' as const }),
  {
    weight: 3,
    arbitrary: fc
      .record({
        mode: fc.constant('trailing' as const),
        window: fc.constant('1s' as const),
        albums: maybe('300ms'),
        maxSize: maybe(1, 2, 4),
        maxKeys: maybe(1, 3),
        commands: maybe('collect' as const),
        maxWait: maybe('2s'),
        deadline: maybe('2s'),
      })
      .map(compact),
  },
)

function placesPer(scope: 'user' | 'chat'): fc.Arbitrary<ConcurrencyOptions> {
  const most = fc.constantFrom(1, 2)
  return fc
    .record({ scope: fc.constant(scope), most, queue: maybe(0, 1, 3), maxWait: maybe('2s') })
    .map(compact)
}
const concurrency: fc.Arbitrary<false | ConcurrencyOptions | ConcurrencyOptions[]> = fc.oneof(
  fc.constant(false as const),
  placesPer('user'),
  placesPer('chat'),
  fc.tuple(placesPer('user'), placesPer('chat')),
)

const changeable = { throttle, debounce, concurrency }

/** A debounce without a mode of its own keeps that of the former options, so changes always name it. */
export const changes: fc.Arbitrary<Changeable> = fc
  .record(changeable)
  .map(({ debounce: changed, ...rest }) => ({
    ...rest,
    debounce: changed === false ? changed : { mode: 'leading' as const, ...changed },
  }))

export const flowOptions: fc.Arbitrary<FlowOptions> = fc.record({
  ...changeable,
  once: fc.constantFrom({}, {}, {}, { lease: '30s' as const }, false as const),
  membership: fc.constantFrom(true, true, true, false),
  workers: fc.constantFrom(1 as const, 1 as const, 2 as const),
  guardedHandlers: fc.boolean(),
  hook: fc.option(fc.record({ at: fc.constantFrom(...HOOK_POINTS), after: fc.constantFrom(0, 0, 200) }), {
    nil: undefined,
  }),
})
