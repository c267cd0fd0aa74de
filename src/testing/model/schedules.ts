import type fastCheck from 'fast-check'
import type { Check, Consequence, Plan, Settlement, Variant } from '../../core/check.js'
import type { Limit } from '../../core/limit.js'

/** One question, and the time since the previous step. */
export interface Asked {
  readonly after: number
  readonly user: number
  readonly chat: number
  readonly bot: number
  readonly costs: readonly number[]
  readonly tokens: readonly number[]
  readonly limits: readonly (Limit | undefined)[] | undefined
}

/** A step of a schedule, drawn at random. */
export type Step =
  | ({ readonly do: 'ask' | 'peek' } & Asked)
  // Concurrent questions about different users in different chats, so that the order does not affect the answers.
  | { readonly do: 'crowd'; readonly after: number; readonly asked: readonly Asked[] }
  | {
      readonly do: 'settle'
      readonly which: number
      readonly how: Settlement
      readonly check: number | undefined
    }
  | { readonly do: 'reset'; readonly user: number; readonly check: number | undefined }
  | {
      readonly do: 'mark'
      readonly user: number
      readonly name: string
      readonly for: number
      readonly value: unknown
    }
  | { readonly do: 'unmark'; readonly user: number; readonly name: string }
  | { readonly do: 'prepare'; readonly order: readonly number[]; readonly amount: number }

export interface Schedule {
  readonly plan: Plan
  readonly steps: readonly Step[]
}

/** Most concurrent questions. */
export const CROWD = 9

/** Generates schedules. fast-check is a parameter, so that only those who play schedules need it. */
export function schedulesOf(fc: typeof fastCheck): fastCheck.Arbitrary<Schedule> {
  const MARKS = ['blocked', 'vip', 'staff', 'stored']
  // Odd amounts: when a limit changes, the rest is rounded to the nearest unit, and with even amounts halves could be rounded
  // either way.
  const amount = fc.constantFrom(1, 3, 5, 7, 9)
  const per = fc.constantFrom(1, 7, 333, 1000, 7000, 60_000)
  const span = fc.constantFrom(1, 40, 500, 3000, 60_000)
  const mark = fc.constantFrom(...MARKS)
  const sometimes = <T>(arbitrary: fastCheck.Arbitrary<T>): fastCheck.Arbitrary<T | undefined> =>
    fc.option(arbitrary, { nil: undefined, freq: 3 })

  const consequence: fastCheck.Arbitrary<Consequence> = fc
    .record({
      penalty: sometimes(
        fc.record({
          after: fc.integer({ min: 1, max: 3 }),
          within: span,
          bans: fc.array(span, { minLength: 1, maxLength: 3 }),
        }),
      ),
      noticeEvery: sometimes(span),
    })
    .map(compact)

  const limitOf = (length: number): fastCheck.Arbitrary<Limit> =>
    fc.record({ amount, per: fc.constant(length), burst: sometimes(amount) }).map(compact)

  /** Span of stored limits and of the checks that use them: a window with a shorter span would have dropped stamps that they need. */
  const STORED_PER = 1000

  /** Bounds, sometimes with another span, in which case no stored limit is valid. */
  const boundsOf = fc
    .tuple(fc.constantFrom(STORED_PER, STORED_PER, 7000), amount, amount)
    .map(([per, one, other]) => ({
      min: { amount: Math.min(one, other), per },
      max: { amount: Math.max(one, other), per },
    }))

  const variantsOf = (length: number): fastCheck.Arbitrary<Variant[]> => {
    const given = fc.record({ mark, subject: fc.constantFrom(0, 1), limit: limitOf(length) })
    const stored = fc
      .record({
        mark,
        subject: fc.constantFrom(0, 1),
        limit: fc.constant('stored' as const),
        within: sometimes(boundsOf),
      })
      .map(compact)
    const variant: fastCheck.Arbitrary<Variant> = length === STORED_PER ? fc.oneof(given, stored) : given
    return fc.array(variant, { maxLength: 2 })
  }

  const asked = (index: number) => ({
    guard: fc.constant('guard'),
    slot: fc.constant(`slot ${index}`),
    subject: fc.constantFrom(0, 0, 1),
    shadow: sometimes(fc.constant(true)),
    unless: sometimes(fc.record({ subject: fc.constantFrom(0, 1), anyOf: fc.constant(['staff']) })),
    onRefusal: sometimes(consequence),
  })

  function checkOf(index: number): fastCheck.Arbitrary<Check> {
    const limited = per.chain((length) =>
      fc.oneof(
        fc.record({
          ...asked(index),
          kind: fc.constant('bucket' as const),
          limit: limitOf(length),
          variants: sometimes(variantsOf(length)),
        }),
        fc.record({
          ...asked(index),
          kind: fc.constant('window' as const),
          form: fc.constantFrom('log' as const, 'counters' as const, 'fixed' as const),
          limit: limitOf(length),
          variants: sometimes(variantsOf(length)),
        }),
      ),
    )
    const claim = fc.oneof(
      fc.record({
        ...asked(index),
        kind: fc.constant('claim' as const),
        tokens: fc.constant('sequence' as const),
        holdFor: span,
        lease: sometimes(span),
        retry: sometimes(fc.constant(true)),
        whenHeld: fc.constant('refuse' as const),
      }),
      fc.record({
        ...asked(index),
        kind: fc.constant('claim' as const),
        tokens: fc.constant('digest' as const),
        holdFor: span,
        lease: sometimes(span),
        retry: sometimes(fc.constant(true)),
        whenHeld: fc.constantFrom('refuse' as const, 'waive' as const),
      }),
    )
    const marked = fc.record({
      ...asked(index),
      kind: fc.constantFrom('absent' as const, 'present' as const),
      anyOf: fc.constantFrom(['blocked'], ['vip'], ['blocked', 'vip']),
    })
    return fc
      .oneof(
        { weight: 5, arbitrary: limited },
        { weight: 3, arbitrary: claim },
        { weight: 1, arbitrary: marked },
      )
      .map((check) => compact(check) as Check)
  }

  const plan: fastCheck.Arbitrary<Plan> = fc
    .integer({ min: 1, max: 10 })
    .chain((size) => fc.tuple(...Array.from({ length: size }, (_, index) => checkOf(index))))
    .map((checks) => ({ name: 'chain', scopes: ['user', 'chat'], checks }))

  /** The clock stands still, advances slowly, hits the ends of spans, jumps ahead or goes back. */
  const after = fc.oneof(
    { weight: 4, arbitrary: fc.constant(0) },
    { weight: 4, arbitrary: fc.integer({ min: 1, max: 50 }) },
    {
      weight: 4,
      arbitrary: fc.tuple(fc.oneof(span, per), fc.integer({ min: -1, max: 1 })).map(([a, b]) => a + b),
    },
    { weight: 2, arbitrary: fc.integer({ min: 1, max: 20_000 }) },
    { weight: 1, arbitrary: fc.integer({ min: -5000, max: -1 }) },
    { weight: 1, arbitrary: fc.constantFrom(86_400_000, 3_000_000_000) },
  )
  const cost = fc.oneof(
    { weight: 8, arbitrary: fc.constant(1) },
    { weight: 2, arbitrary: fc.constant(0) },
    { weight: 3, arbitrary: fc.constantFrom(0.5, 0.001, 0.0001, 1.5, 2, 3, 1 / 3, 5, 9, 10, 100) },
  )
  // 4,096 consecutive tokens expire together, so both sides of that boundary are drawn.
  const token = fc.constantFrom(0, 1, 2, 4095, 4096, 2 ** 40)

  function stepOf({ checks }: Plan): fastCheck.Arbitrary<Step> {
    const size = checks.length
    const ownLimit = fc.tuple(
      ...checks.map((check) =>
        check.kind === 'bucket' || check.kind === 'window'
          ? sometimes(limitOf(check.limit.per))
          : fc.constant(undefined),
      ),
    )
    const question = {
      // Most updates of a bot have the same costs: all checks, or all but one.
      costs: fc.oneof(
        { weight: 3, arbitrary: fc.constant(checks.map(() => 1)) },
        {
          weight: 2,
          arbitrary: fc.nat({ max: size - 1 }).map((left) => checks.map((_, i) => (i === left ? 0 : 1))),
        },
        { weight: 5, arbitrary: fc.array(cost, { minLength: size, maxLength: size }) },
      ),
      tokens: fc.array(token, { minLength: size, maxLength: size }),
      limits: fc
        .option(ownLimit, { nil: undefined, freq: 8 })
        .map((drawn) => (drawn === null ? undefined : drawn)),
    }
    const ask = fc.record({
      after,
      user: fc.integer({ min: 0, max: 2 }),
      chat: fc.integer({ min: -1, max: 1 }),
      bot: fc.constantFrom(1, 1, 1, 2),
      ...question,
    })
    const crowd = fc.record({
      after,
      asked: fc.array(fc.record({ inChat: fc.boolean(), bot: fc.constantFrom(1, 1, 1, 2), ...question }), {
        minLength: 2,
        maxLength: CROWD,
      }),
    })
    const index = sometimes(fc.nat({ max: size - 1 }))
    const user = fc.integer({ min: 0, max: 2 })
    return fc.oneof(
      { weight: 30, arbitrary: ask.map((drawn): Step => ({ do: 'ask', ...drawn })) },
      { weight: 4, arbitrary: ask.map((drawn): Step => ({ do: 'peek', ...drawn })) },
      {
        weight: 6,
        arbitrary: crowd.map(
          ({ after: pause, asked }): Step => ({
            do: 'crowd',
            after: pause,
            asked: asked.map(({ inChat, ...drawn }, nth) => ({
              ...drawn,
              after: 0,
              user: nth,
              chat: inChat ? nth : -1,
            })),
          }),
        ),
      },
      {
        weight: 8,
        arbitrary: fc
          .record({
            which: fc.nat(),
            how: fc.constantFrom<Settlement>('complete', 'release', 'refund'),
            check: index,
          })
          .map((drawn): Step => ({ do: 'settle', ...drawn })),
      },
      {
        weight: 1,
        arbitrary: fc.record({ user, check: index }).map((drawn): Step => ({ do: 'reset', ...drawn })),
      },
      {
        weight: 2,
        arbitrary: fc
          .record({
            user,
            name: mark,
            for: fc.constantFrom(1, 5000, 100_000, Number.POSITIVE_INFINITY),
            value: fc.constantFrom({ amount: 3, per: STORED_PER }, 'no limit', undefined, {
              amount: 5,
              per: 1000,
              burst: 7,
            }),
          })
          .map((drawn): Step => ({ do: 'mark', ...drawn })),
      },
      {
        weight: 2,
        arbitrary: fc.record({ user, name: mark }).map((drawn): Step => ({ do: 'unmark', ...drawn })),
      },
      {
        weight: 1,
        arbitrary: fc
          .record({ order: fc.array(fc.nat(), { minLength: size, maxLength: size }), amount })
          .map((drawn): Step => ({ do: 'prepare', ...drawn })),
      },
    )
  }

  return plan.chain((drawn) =>
    fc.record({
      plan: fc.constant(drawn),
      steps: fc.array(stepOf(drawn), { minLength: 5, maxLength: 40, size: 'max' }),
    }),
  )
}

/** Removes undefined fields, which the types do not allow. */
function compact<T extends object>(given: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }
}
