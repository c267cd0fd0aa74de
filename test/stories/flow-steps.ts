import fc from 'fast-check'
import type { Fault } from '../storage/faulty.js'
import { type Act, acts } from './acts.js'
import type { Who } from './cast.js'
import { type Changeable, changes, type FlowOptions, flowOptions } from './flow-options.js'
import { FAULTS } from './story-storages.js'

/* What happens in a story of whole bots, step by step, as plain data. */

/** What the handler of an update does: at first it waits this many milliseconds, then it ends in this way. */
export interface Fate {
  readonly after: number
  readonly how: 'end' | 'fail once' | 'refund' | 'deny'
}

export type FlowStep =
  | {
      readonly do: 'act'
      readonly act: Act
      readonly fate: Fate
      /** Which worker gets the updates; the later ones of an act may go to the other one. */
      readonly worker: number
      /** Whether all updates of the act are delivered at once, none waiting for the one before. */
      readonly together: boolean
      /** Whether the hook of the story, if it has one, refuses the updates. */
      readonly vetoed: boolean
    }
  /** A recent update is delivered again, possibly to another worker. */
  | { readonly do: 'redeliver' | 'simulate'; readonly which: number; readonly worker: number }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'block' | 'unblock' | 'reset'; readonly who: Who; readonly worker: number }
  | { readonly do: 'reconfigure'; readonly options: Changeable }
  /** Has no effect on a storage that cannot fail. */
  | { readonly do: 'break the storage'; readonly fault: Fault; readonly delay: number }

export interface FlowStory {
  readonly options: FlowOptions
  readonly steps: readonly FlowStep[]
  /** Whether everything may end by itself before the workers are closed. */
  readonly endsQuietly: boolean
}

const worker = fc.constantFrom(0, 1)
const which = fc.nat({ max: 5 })
const fate: fc.Arbitrary<Fate> = fc.record({
  after: fc.constantFrom(0, 0, 0, 50, 150, 400, 1500, 5000),
  how: fc.constantFrom(
    ...(['end', 'end', 'end', 'end', 'end', 'end', 'fail once', 'fail once', 'refund', 'deny'] as const),
  ),
})
const step: fc.Arbitrary<FlowStep> = fc.oneof(
  {
    weight: 11,
    arbitrary: fc.record({
      do: fc.constant('act' as const),
      act: acts,
      fate,
      worker,
      together: fc.constantFrom(true, false, false),
      vetoed: fc.constantFrom(true, ...Array.from({ length: 9 }, () => false)),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      ms: fc.constantFrom(10, 100, 500, 1000, 3000, 3000, 10_000, 40_000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('redeliver', 'simulate'), which, worker }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('block', 'unblock', 'reset'),
      who: fc.constantFrom(0, 1, 2),
      worker,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reconfigure' as const), options: changes }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('break the storage' as const),
      fault: fc.constantFrom(...FAULTS),
      delay: fc.constantFrom(0, 0, 150, 400),
    }),
  },
)

export const flowStories: fc.Arbitrary<FlowStory> = fc.record({
  options: flowOptions,
  steps: fc.array(step, { minLength: 5, maxLength: 50, size: 'max' }),
  endsQuietly: fc.boolean(),
})
