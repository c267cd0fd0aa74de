import fc from 'fast-check'
import type { SentinelErrorCode } from '../../src/core/errors.js'
import { SentinelError } from '../../src/core/errors.js'
import {
  capacityOf,
  formatLimit,
  type Limit,
  type LimitInput,
  MOST_AMOUNT,
  MOST_PER,
  parseLimit,
} from '../../src/core/limit.js'

function refusal(
  input: unknown,
  what?: string,
): { code: SentinelErrorCode; message: string; cause: unknown } {
  try {
    parseLimit(input as LimitInput, what)
  } catch (error) {
    expect(error).toBeInstanceOf(SentinelError)
    const { code, message, cause } = error as SentinelError
    return { code, message, cause }
  }
  throw new Error(`${String(input)} was taken`)
}

describe('a limit', () => {
  test.each<[LimitInput, Limit]>([
    ['20/1m', { amount: 20, per: 60_000 }],
    ['5/10s', { amount: 5, per: 10_000 }],
    ['1/s', { amount: 1, per: 1000 }],
    ['3/ms', { amount: 3, per: 1 }],
    ['7/w', { amount: 7, per: 604_800_000 }],
    ['20 / 1m', { amount: 20, per: 60_000 }],
    ['2/1h30m', { amount: 2, per: 5_400_000 }],
    ['2/1.5h', { amount: 2, per: 5_400_000 }],
    ['1/1h1m1s1ms', { amount: 1, per: 3_661_001 }],
    ['60/1m (burst 30)', { amount: 60, per: 60_000, burst: 30 }],
    ['60/m(burst 90)', { amount: 60, per: 60_000, burst: 90 }],
    [`${MOST_AMOUNT}/366d`, { amount: MOST_AMOUNT, per: MOST_PER }],
    [
      { amount: 60, per: '1m' },
      { amount: 60, per: 60_000 },
    ],
    [
      { amount: 60, per: 1500, burst: 30 },
      { amount: 60, per: 1500, burst: 30 },
    ],
    [
      { amount: 60, per: '1m', burst: undefined },
      { amount: 60, per: 60_000 },
    ],
  ])('parses %j as %j', (input, limit) => {
    expect(parseLimit(input)).toStrictEqual(limit)
  })

  test('is a new object each time it is parsed', () => {
    expect(parseLimit('20/1m')).not.toBe(parseLimit('20/1m'))
  })

  test.each([
    ['20', 'throttle.limit: "20" is not a limit.'],
    ['20/', 'throttle.limit: "20/" is not a limit.'],
    ['/1m', 'throttle.limit: "/1m" is not a limit.'],
    ['', 'throttle.limit: "" is not a limit.'],
    ['-1/1m', 'throttle.limit: "-1/1m" is not a limit.'],
    ['1e3/1m', 'throttle.limit: "1e3/1m" is not a limit.'],
    ['NaN/1m', 'throttle.limit: "NaN/1m" is not a limit.'],
    ['20 per minute', 'throttle.limit: "20 per minute" is not a limit.'],
    ['20/1m (burst)', 'throttle.limit: "20/1m (burst)" is not a limit.'],
    [`20/${'1'.repeat(80)}s`, `throttle.limit: "20/${'1'.repeat(61)}" is not a limit.`],
    ['20/x', 'throttle.limit: "20/x" is not a limit.'],
    ['20/1x', 'throttle.limit: "20/1x" is not a limit: its span must be a duration from 1 ms to 366 days.'],
    ['20/5', 'throttle.limit: "20/5" is not a limit: its span must be a duration from 1 ms to 366 days.'],
    ['20/0s', 'throttle.limit: "20/0s" is not a limit: its span must be a duration from 1 ms to 366 days.'],
    [
      '20/0.4ms',
      'throttle.limit: "20/0.4ms" is not a limit: its span must be a duration from 1 ms to 366 days.',
    ],
    [
      '20/367d',
      'throttle.limit: "20/367d" is not a limit: its span must be a duration from 1 ms to 366 days.',
    ],
    ['0/1m', 'throttle.limit: "0/1m" is not a limit: its amount must be a whole number from 1 to 100000.'],
    [
      '1.5/1m',
      'throttle.limit: "1.5/1m" is not a limit: its amount must be a whole number from 1 to 100000.',
    ],
    [
      '100001/1m',
      'throttle.limit: "100001/1m" is not a limit: its amount must be a whole number from 1 to 100000.',
    ],
    [
      '20/1m (burst 0)',
      'throttle.limit: "20/1m (burst 0)" is not a limit: its burst must be a whole number from 1 to 100000.',
    ],
    [{ amount: 0, per: '1m' }, 'throttle.limit.amount: 0 must be a whole number from 1 to 100000.'],
    [{ amount: -1, per: '1m' }, 'throttle.limit.amount: -1 must be a whole number from 1 to 100000.'],
    [{ amount: 0.5, per: '1m' }, 'throttle.limit.amount: 0.5 must be a whole number from 1 to 100000.'],
    [
      { amount: Number.NaN, per: '1m' },
      'throttle.limit.amount: NaN must be a whole number from 1 to 100000.',
    ],
    [
      { amount: Infinity, per: '1m' },
      'throttle.limit.amount: Infinity must be a whole number from 1 to 100000.',
    ],
    [{ amount: '5', per: '1m' }, 'throttle.limit.amount: "5" must be a whole number from 1 to 100000.'],
    [{ amount: 5n, per: '1m' }, 'throttle.limit.amount: 5 must be a whole number from 1 to 100000.'],
    [{ per: '1m' }, 'throttle.limit.amount: undefined must be a whole number from 1 to 100000.'],
    [{ amount: 5 }, 'throttle.limit.per: undefined must be a duration from 1 ms to 366 days.'],
    [{ amount: 5, per: 0 }, 'throttle.limit.per: 0 must be a duration from 1 ms to 366 days.'],
    [{ amount: 5, per: -1 }, 'throttle.limit.per: -1 must be a duration from 1 ms to 366 days.'],
    [{ amount: 5, per: Number.NaN }, 'throttle.limit.per: NaN must be a duration from 1 ms to 366 days.'],
    [{ amount: 5, per: '1y' }, 'throttle.limit.per: "1y" must be a duration from 1 ms to 366 days.'],
    [
      { amount: 5, per: MOST_PER + 1 },
      'throttle.limit.per: 31622400001 must be a duration from 1 ms to 366 days.',
    ],
    [{ amount: 5, per: 5n }, 'throttle.limit.per: 5 must be a duration from 1 ms to 366 days.'],
    [{ amount: 5, per: '1m', burst: 0 }, 'throttle.limit.burst: 0 must be a whole number from 1 to 100000.'],
    [
      { amount: 5, per: '1m', burst: 1.5 },
      'throttle.limit.burst: 1.5 must be a whole number from 1 to 100000.',
    ],
    [
      { amount: 5, per: '1m', burst: null },
      'throttle.limit.burst: null must be a whole number from 1 to 100000.',
    ],
    [
      { amount: Object.create(null), per: '1m' },
      'throttle.limit.amount: an object must be a whole number from 1 to 100000.',
    ],
    [[], 'throttle.limit.amount: undefined must be a whole number from 1 to 100000.'],
    [null, 'throttle.limit: null is not a limit.'],
    [undefined, 'throttle.limit: undefined is not a limit.'],
    [20, 'throttle.limit: 20 is not a limit.'],
    [parseLimit, 'throttle.limit: a function is not a limit.'],
  ])('is not %p: the error names the option, the value and the remedy', (input, message) => {
    const { code, message: said } = refusal(input, 'throttle.limit')
    expect(code).toBe('limit.invalid')
    expect(said).toBe(`${message} Write '20/1m', '5/10s', or { amount: 60, per: '1m', burst: 30 }.`)
  })

  test('with an invalid span keeps the duration error as the cause', () => {
    const { cause } = refusal({ amount: 5, per: 'soon' })
    expect(cause).toBeInstanceOf(SentinelError)
    expect((cause as SentinelError).code).toBe('duration.invalid')
  })

  test('throws only its own error, for any input', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true }), (input) => {
        try {
          parseLimit(input as LimitInput)
        } catch (error) {
          expect((error as SentinelError).code).toBe('limit.invalid')
        }
      }),
      { numRuns: 2000 },
    )
  })

  test.each<[Limit, string]>([
    [{ amount: 20, per: 60_000 }, '20/1m'],
    [{ amount: 5, per: 1500 }, '5/1s500ms'],
    [{ amount: 5, per: 90_061_001 }, '5/1d1h1m1s1ms'],
    [{ amount: 60, per: 60_000, burst: 30 }, '60/1m (burst 30)'],
    [{ amount: 60, per: 60_000, burst: 60 }, '60/1m'],
  ])('formats %j as %s', (limit, text) => {
    expect(formatLimit(limit)).toBe(text)
  })

  test('is the same after formatting and parsing', () => {
    const amounts = fc.integer({ min: 1, max: MOST_AMOUNT })
    const limits = fc.record(
      { amount: amounts, per: fc.integer({ min: 1, max: MOST_PER }), burst: amounts },
      { requiredKeys: ['amount', 'per'] },
    )
    fc.assert(
      fc.property(limits, (limit) => {
        const again = parseLimit(formatLimit(limit))
        expect([again.amount, again.per, capacityOf(again)]).toEqual([
          limit.amount,
          limit.per,
          capacityOf(limit),
        ])
      }),
      { numRuns: 2000 },
    )
  })

  test('has its burst as capacity, else its amount', () => {
    expect(capacityOf({ amount: 60, per: 60_000, burst: 30 })).toBe(30)
    expect(capacityOf({ amount: 60, per: 60_000 })).toBe(60)
  })
})
