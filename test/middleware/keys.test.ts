import { concurrency, fromRateLimiter, type Guard, throttle } from '../../src/index.js'
import { desk, says } from '../sentinel/desk.js'

/* Values that custom keys may return, and how invalid values are handled, as untyped JavaScript may return them. */

type Key = (facts: { readonly actorId: number | undefined }) => string | number | undefined

const LIMITER = { consume: () => Promise.reject({ msBeforeNext: 1000 }) }

const guards: readonly (readonly [string, (key: Key) => Guard])[] = [
  ['throttle', (key) => throttle({ name: 'tenant', key, limit: '1/1h' })],
  ['fromRateLimiter', (key) => fromRateLimiter(LIMITER, { name: 'tenant', key })],
  ['concurrency', (key) => concurrency({ name: 'tenant', key, most: 1, queue: 0 })],
]

describe.each(guards)('a key of %s', (what, guardWith) => {
  test.each<[string, () => unknown, string]>([
    ['a promise', () => Promise.resolve('a'), 'a promise is not a key'],
    [
      'a promise that is rejected',
      () => Promise.reject(new Error('the database is away')),
      'a promise is not a key',
    ],
    ['an object', () => ({ tenant: 1 }), 'an object is not a key'],
    ['null', () => null, 'null is not a key'],
    ['NaN', () => Number('the third'), 'NaN is not a key'],
    ['Infinity', () => Number.POSITIVE_INFINITY, 'Infinity is not a key'],
  ])('that returns %s is reported once, and its updates are not counted', async (_, give, words) => {
    const reached: number[] = []
    const at = desk({ throttle: false, once: false }, (bot) => {
      bot.use(guardWith(give as unknown as Key), (ctx) => {
        reached.push(ctx.from?.id ?? 0)
      })
    })
    const errors: unknown[] = []
    at.guard.on('error', ({ error }) => errors.push(error))
    for (const who of [1, 2, 1, 2]) await at.handle(says(who, 'hello'))
    expect(reached).toEqual([1, 2, 1, 2])
    expect(errors).toEqual([
      expect.objectContaining({ code: 'subject.invalid', message: expect.stringContaining(words) }),
    ])
    await at.guard.close()
  })

  test('that is an async function is refused when the guard is created', () => {
    const key = (async () => 'a') as unknown as Key
    expect(() => guardWith(key)).toThrow(`${what}.key: it is an async function`)
  })
})
