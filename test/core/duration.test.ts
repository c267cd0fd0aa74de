import { jest } from '@jest/globals'
import fc from 'fast-check'
import { durationIn, exactDuration, formatDuration, parseDuration } from '../../src/core/duration.js'
import { SentinelError } from '../../src/core/errors.js'

describe('a duration', () => {
  test.each([
    [0, 0],
    [1500, 1500],
    ['500ms', 500],
    ['10s', 10_000],
    ['1m', 60_000],
    ['1.5h', 5_400_000],
    ['1h30m', 5_400_000],
    ['7d', 604_800_000],
    ['1w', 604_800_000],
  ] as const)('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  test.each(['', '10', 's', '10 s', '-1s', '1x', '1s!', '1e3s', 'Infinitys', `${'1'.repeat(80)}s`])(
    'refuses the text %j with the name of the option',
    (text) => {
      expect(() => parseDuration(text, 'block.for')).toThrow(/^block\.for: .* is not a duration\. Write/)
    },
  )

  test.each([
    ['1 day', '1d'],
    ['30 days', '30d'],
    ['5min', '5m'],
    ['10 seconds', '10s'],
    ['2 hours', '2h'],
    ['1 hr', '1h'],
    ['3 weeks', '3w'],
  ])('suggests the short form of %j', (text, meant) => {
    expect(() => parseDuration(text, 'block.for')).toThrow(
      `block.for: "${text}" (did you mean '${meant}'?) is not a duration. Write`,
    )
    expect(parseDuration(meant)).toBeGreaterThan(0)
  })

  test.each(['2 months', '5 millis', '1 day 2 hours', '10 per day', '5 sin', '1 hay', '3 mecs'])(
    'suggests nothing for %j, whose short form is not clear',
    (text) => {
      expect(() => parseDuration(text, 'block.for')).toThrow(`block.for: "${text}" is not a duration. Write`)
    },
  )

  test.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('refuses the number %d with a code', (value) => {
    try {
      parseDuration(value)
      throw new Error('it was taken')
    } catch (error) {
      expect(error).toBeInstanceOf(SentinelError)
      expect((error as SentinelError).code).toBe('duration.invalid')
    }
  })

  test.each([
    [999, '999ms'],
    [1000, '1s'],
    [61_000, '1m1s'],
    [5_400_000, '1h30m'],
    [999.2, '1s'],
    [1001, '2s'],
    [5_400_001, '1h31m'],
    [7_199_001, '2h'],
    [90_000_000, '1d1h'],
    [90_061_000, '1d2h'],
    [86_400_000 + 59 * 60_000, '1d1h'],
    [7 * 86_400_000 - 1, '1w'],
    [Number.POSITIVE_INFINITY, 'forever'],
  ])('formats %d ms as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text)
  })

  test('is formatted rounded up, by less than one of the smaller unit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 36_525 * 86_400_000 }), (ms) => {
        const said = parseDuration(formatDuration(ms))
        const unit =
          ms < 1000
            ? 1
            : ms < 3_600_000
              ? 1000
              : ms < 86_400_000
                ? 60_000
                : ms < 604_800_000
                  ? 3_600_000
                  : 86_400_000
        expect(said - ms).toBeGreaterThanOrEqual(0)
        expect(said - ms).toBeLessThan(unit)
      }),
    )
  })

  test.each([
    ['en', 7_140_001, '2h'],
    ['ru', 7_080_001, '1 ч 59 мин'],
    ['ru', 86_400_000, '1 дн.'],
    ['de', 1, '1 Sek.'],
    ['__proto__', 60_000, '1m'],
    ['tlh', Number.POSITIVE_INFINITY, 'forever'],
  ])('in the language %s, formats %d ms as %s', (language, ms, text) => {
    expect(durationIn(language, ms)).toBe(text)
  })

  test('languages that senders make up are not all remembered', () => {
    const created = jest.spyOn(Intl, 'NumberFormat')
    const tags = Array.from({ length: 500 }, (_, nth) => `de-x-${nth}`)
    for (const tag of ['fr', ...tags]) durationIn(tag, 60_000)
    created.mockClear()
    durationIn('fr', 60_000)
    durationIn('fr', 60_000)
    // It had been forgotten, and is remembered again.
    expect(created).toHaveBeenCalledTimes(1)
    created.mockRestore()
  })

  test('has a maximum of a hundred years, which every storage can add to the current time', () => {
    const century = 36_525 * 86_400_000
    expect(parseDuration('36525d')).toBe(century)
    expect(parseDuration(century)).toBe(century)
    expect(() => parseDuration(century + 1, 'block.for')).toThrow(
      /^block\.for: 3155760000001 is not a duration/,
    )
    expect(() => parseDuration('36526d')).toThrow(SentinelError)
  })

  test.each([undefined, null, 5n, {}, [], Object.create(null) as unknown, Symbol('s')])(
    'is not %p, and creating the error does not fail',
    (value) => {
      expect(() => parseDuration(value as string, 'block.for')).toThrow(
        /^block\.for: .+ is not a duration\. Write/,
      )
    },
  )

  test.each([0, 1, 999, 1500, 90_061_001, 604_800_000])('of %d ms is formatted exactly', (ms) => {
    expect(parseDuration(exactDuration(ms))).toBe(ms)
  })
})
