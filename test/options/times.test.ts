import { SentinelError } from '../../src/core/errors.js'
import {
  auth,
  block,
  compose,
  concurrency,
  debounce,
  definePolicy,
  fromJson,
  fromRateLimiter,
  type Guard,
  memory,
  once,
  policy,
  requirePermission,
  requireRegistered,
  requireRole,
  sentinel,
  throttle,
} from '../../src/index.js'
import { guardOf } from '../../src/middleware/compose.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { desk, later, tick } from '../sentinel/desk.js'

/* Spans of time that a storage could not keep are refused where they are passed, not when an update needs them. */

function refusal(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof SentinelError) return `${error.code} ${error.message}`
    throw error
  }
  return 'accepted'
}

const limit = '2/1m'
const limiter = { consume: () => Promise.resolve() }

describe('a span that is too short or too long is refused, with the option and the value', () => {
  const short = (what: string): string => `duration.invalid ${what}: 0 is wrong; it must be 1 ms or more.`
  const cases: [what: string, run: () => unknown, words: string][] = [
    ['throttle', () => throttle({ limit, noticeEvery: 0 }), short('throttle.noticeEvery')],
    ['auth', () => auth({ noticeEvery: 0 }), short('auth.noticeEvery')],
    ['block', () => block({ deny: () => undefined, noticeEvery: 0 }), short('block.noticeEvery')],
    ['debounce', () => debounce({ window: '1s', noticeEvery: 0 }), short('debounce.noticeEvery')],
    ['concurrency', () => concurrency({ noticeEvery: 0 }), short('concurrency.noticeEvery')],
    ['requireRole', () => requireRole('admin', { noticeEvery: 0 }), short('requireRole.noticeEvery')],
    [
      'requireRegistered',
      () => requireRegistered({ noticeEvery: 0 }),
      short('requireRegistered.noticeEvery'),
    ],
    [
      'requirePermission',
      () => requirePermission('orders.refund', { noticeEvery: 0 }),
      short('requirePermission.noticeEvery'),
    ],
    [
      'fromRateLimiter',
      () => fromRateLimiter(limiter, { noticeEvery: 0 }),
      short('fromRateLimiter.noticeEvery'),
    ],
    ['once', () => once({ for: 0 }), short('once.for')],
    ['the lease of once', () => once({ lease: 0 }), short('once.lease')],
    [
      'the refusals of a penalty',
      () => throttle({ limit, penalty: { within: 0, bans: ['1h'] } }),
      short('throttle.penalty.within'),
    ],
    [
      'a ban of no time',
      () => throttle({ limit, penalty: { bans: ['1h', 0] } }),
      'duration.invalid throttle.penalty.bans[1]: 0 is wrong; it must be from 1 ms to 366 days.',
    ],
    [
      'a ban for ever',
      () => throttle({ limit, penalty: { bans: ['1h', '400d'] } }),
      'duration.invalid throttle.penalty.bans[1]: "400d" is wrong; it must be from 1 ms to 366 days.',
    ],
    [
      'what adaptation holds for',
      () => throttle({ limit, adapt: { min: '1/1m', max: '4/1m', for: 0 } }),
      short('throttle.adapt.for'),
    ],
    [
      'what adaptation counts in',
      () => throttle({ limit, adapt: { min: '1/1m', max: '4/1m', lose: { within: 0 } } }),
      short('throttle.adapt.lose.within'),
    ],
    ['sentinel()', () => sentinel({ throttle: { noticeEvery: 0 } }), short('throttle.noticeEvery')],
    ['a debounce of no time', () => sentinel({ debounce: 0 }), short('debounce')],
    [
      'a policy',
      () => sentinel({ policies: { shop: { throttle: { limit, noticeEvery: 0 } } } }),
      short('policies.shop.throttle.noticeEvery'),
    ],
    [
      'what a policy passes to its parts',
      () => definePolicy('shop', { throttle: limit, noticeEvery: 0 }),
      short('shop.noticeEvery'),
    ],
    ['the debounce of a policy', () => definePolicy('shop', { debounce: 0 }), short('shop.debounce')],
    [
      'what a handler overrides',
      () => policy('shop', { throttle: { noticeEvery: 0 } }),
      short('policy.throttle.noticeEvery'),
    ],
    [
      'a policy of a sentinel with overrides',
      () => sentinel({ policies: { shop: {} } }).policy('shop', { throttle: { limit, noticeEvery: 0 } }),
      short('policy.throttle.noticeEvery'),
    ],
    [
      'a file',
      () => fromJson('{ "throttle": { "penalty": { "bans": ["1h", "1000d"] } } }'),
      'duration.invalid throttle.penalty.bans[1]: "1000d" is wrong; it must be from 1 ms to 366 days.',
    ],
  ]
  test.each(cases)('%s', (_, run, words) => {
    expect(refusal(run)).toBe(words)
  })

  test('the longest ban and the shortest spans are accepted', async () => {
    const penalty = { after: 1, within: 1, bans: [1, '366d'] } as const
    const { guard, says, reached } = desk({ throttle: { limit: '1/1m', noticeEvery: 1, penalty } })
    await says(7, 'one', 'two')
    expect(reached).toEqual(['one'])
    await guard.close()
  })
})

describe('a plan that no storage can run', () => {
  /** A guard that somebody else wrote, with a check that storages refuse. */
  const unsound = (): Guard =>
    guardOf({
      name: 'theirs',
      wire(wiring) {
        const subject = wiring.scope('actor', (facts) => facts.actor)
        wiring.ask({
          check: {
            kind: 'bucket',
            guard: 'theirs',
            slot: 'theirs',
            subject,
            limit: { amount: 0, per: 1000 },
          },
          on: ['message'],
          exempt: 'everybody',
          name: 'theirs',
          reason: 'limited',
          denial: 'silent',
        })
        return undefined
      },
    })

  /** A local storage that prepares plans asynchronously, as `sqlite()` does. */
  const local = (): Storage => ({ ...later(), remote: false })

  const storages: [what: string, storage: () => Storage][] = [
    ['memory', () => memory()],
    ['a storage that answers later', () => later()],
    ['a local storage that answers later', local],
  ]

  test.each(storages)(
    'closes its handler as other guards that cannot be wired do: %s',
    async (_, storage) => {
      const errors: unknown[] = []
      const denied: unknown[] = []
      let handled = 0
      const at = desk({ storage: storage() }, (bot) => bot.command('buy', unsound(), () => void handled++))
      at.guard.on('error', ({ error, during }) => errors.push([during, (error as SentinelError).code]))
      at.guard.on('denied', ({ verdict }) => denied.push([verdict.guard, verdict.reason]))
      for (let minute = 0; minute < 3; minute++) {
        await at.says(7, '/buy', '/buy')
        at.time.advance(60_000)
        await tick()
      }
      expect(handled).toBe(0)
      expect(denied).toEqual(new Array(6).fill(['theirs', 'unavailable']))
      expect(errors).toEqual([['wiring', 'plan.invalid']])
      await at.guard.close()
    },
  )

  test('also closes a handler without a sentinel, and the console says so', async () => {
    let handled = 0
    const said: unknown[] = []
    const { error } = console
    console.error = (...args: unknown[]) => said.push(args.join(' '))
    const at = desk({}, (bot) =>
      bot.command('buy', compose(unsound(), { storage: memory() }), () => void handled++),
    )
    try {
      await at.says(7, '/buy', '/buy')
    } finally {
      console.error = error
    }
    expect(handled).toBe(0)
    expect(said).toEqual([
      expect.stringMatching(/error during wiring; these guards refuse everybody\. .*invalid limit/),
    ])
    await at.guard.close()
  })
})
