import fc from 'fast-check'
import { type Act, acts } from './acts.js'
import { sender, type Who, type Whom, whom } from './cast.js'
import { type Change, changes } from './exact-changes.js'
import type { ExactOptions } from './exact-options.js'

/* What happens in a story that is compared with the model, as plain data. Updates are handled one after the other. */

export type HandlerDoes = 'nothing' | 'throw' | 'refund' | 'deny' | 'deny and refund'

export type ExactStep =
  | {
      readonly do: 'act'
      readonly act: Act
      readonly handler: HandlerDoes
      readonly worker: number
      /** Whether each update is simulated before it is delivered. */
      readonly simulated: boolean
      /** Whether the payments for its checkouts only arrive after the next act or redelivery. */
      readonly isPaidLater?: true
    }
  | {
      readonly do: 'redeliver'
      readonly which: number
      readonly handler: HandlerDoes
      readonly worker: number
    }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'reconfigure'; readonly change: Change; readonly worker: number }
  /** Only where a second storage can take over. */
  | { readonly do: 'break the storage' | 'mend the storage'; readonly worker: number }
  | {
      readonly do: 'block' | 'unblock'
      readonly whom: Whom
      readonly for: number | undefined
      readonly worker: number
    }
  | {
      readonly do: 'grant' | 'revoke'
      readonly whom: Exclude<Whom, 'group'>
      readonly role: 'vip' | 'mod'
      readonly worker: number
    }
  | { readonly do: 'register' | 'peek'; readonly whom: Exclude<Whom, 'group'>; readonly worker: number }
  | { readonly do: 'reset'; readonly whom: Whom; readonly worker: number }
  | {
      readonly do: 'set a limit' | 'remove a limit'
      /** Whose: a person's, or the group's. */
      readonly whose: Who | 'group'
      /** Which of the limits, and how many updates it then allows. */
      readonly which: number
      readonly amount: number
      readonly worker: number
    }

export interface ExactStory {
  readonly options: ExactOptions
  readonly steps: readonly ExactStep[]
}

export const worker = fc.constantFrom(0, 1)
const handler = fc.constantFrom<HandlerDoes>(
  ...(['nothing', 'nothing', 'nothing', 'nothing', 'throw', 'refund', 'deny', 'deny and refund'] as const),
)
/** A step that does not depend on earlier ones. */
export const anyStep: fc.Arbitrary<ExactStep> = fc.oneof(
  {
    weight: 14,
    arbitrary: fc.record({
      do: fc.constant('act' as const),
      act: acts,
      handler,
      worker,
      simulated: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('reconfigure' as const), change: changes, worker }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('break the storage', 'mend the storage'), worker }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      ms: fc.constantFrom(1, 100, 333, 1000, 2500, 10_000, 61_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('redeliver' as const),
      which: fc.nat({ max: 4 }),
      handler,
      worker,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('block', 'unblock'),
      whom,
      for: fc.constantFrom(undefined, 5000),
      worker,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('grant', 'grant', 'revoke'),
      whom: sender,
      role: fc.constantFrom('vip', 'mod'),
      worker,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('register', 'peek', 'peek', 'peek'), whom: sender, worker }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reset' as const), whom, worker }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('set a limit', 'remove a limit'),
      whose: fc.constantFrom<Who | 'group'>(0, 1, 2, 'group'),
      which: fc.nat({ max: 3 }),
      amount: fc.constantFrom(1, 5, 9),
      worker,
    }),
  },
)
