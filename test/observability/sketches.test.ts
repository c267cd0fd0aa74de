import fc from 'fast-check'
import { type Key, userKey } from '../../src/core/subject.js'
import { DISTINCT_ERROR, Distinct } from '../../src/observability/stats/distinct.js'
import { FREQUENCY_ERROR, Frequency } from '../../src/observability/stats/frequency.js'
import { HeavyHitters, together } from '../../src/observability/stats/heavy-hitters.js'

/** A stream of keys in random order: a few occur often, many rarely; some are texts instead of numbers. */
const stream = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 30 })), { maxLength: 80 })
  .chain((runs) => {
    const all = runs.flatMap(([id, times]) => Array.from({ length: times }, () => keyOf(id)))
    return fc.shuffledSubarray(all, { minLength: all.length })
  })

function keyOf(id: number): Key {
  return id % 7 === 0 ? `s-${2 ** 50 + id}` : userKey(id * 1_000_003)
}

function exactly(keys: readonly Key[]): Map<Key, number> {
  const counts = new Map<Key, number>()
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
  return counts
}

function hitters(keys: readonly Key[], size: number): HeavyHitters {
  const made = new HeavyHitters(size)
  for (const key of keys) made.add(key)
  return made
}

function frequency(keys: readonly Key[]): Frequency {
  const made = Frequency.empty()
  for (const key of keys) made.add(key)
  return made
}

function distinct(keys: readonly Key[]): Distinct {
  const made = Distinct.empty()
  for (const key of keys) made.add(key)
  return made
}

const size = fc.integer({ min: 1, max: 20 })

describe('heavy hitters with few counters', () => {
  test('give correct bounds, at most n / counters apart, and contain every key that occurs more often than that', () => {
    fc.assert(
      fc.property(stream, size, (keys, counters) => {
        const told = hitters(keys, counters)
        const widest = keys.length / counters
        const seen = new Set<Key>()
        for (const { key, atLeast, atMost } of told.entries()) {
          const count = exactly(keys).get(key) ?? 0
          expect(atLeast).toBeLessThanOrEqual(count)
          expect(count).toBeLessThanOrEqual(atMost)
          expect(atMost - atLeast).toBeLessThanOrEqual(widest)
          seen.add(key)
        }
        expect(seen.size).toBeLessThanOrEqual(counters)
        for (const [key, count] of exactly(keys)) {
          if (count > widest) expect(seen).toContain(key)
          if (!seen.has(key)) expect(count).toBeLessThanOrEqual(told.floor)
        }
      }),
      { numRuns: 60 },
    )
  })

  test('are exact if there is a counter for every key', () => {
    fc.assert(
      fc.property(stream, (keys) => {
        const told = together([hitters(keys, 60)])
        expect(new Map(told.map(({ key, atMost }) => [key, atMost]))).toEqual(exactly(keys))
        expect(told.every(({ atLeast, atMost }) => atLeast === atMost)).toBe(true)
      }),
      { numRuns: 30 },
    )
  })

  test('of several workers can be combined: the bounds of the sum are correct, and as wide as for one', () => {
    fc.assert(
      fc.property(fc.array(stream, { minLength: 1, maxLength: 4 }), size, (streams, counters) => {
        const parts = streams.map((keys) => hitters(keys, counters))
        const all = streams.flat()
        const told = together(parts)
        for (const { key, atLeast, atMost } of told) {
          const count = exactly(all).get(key) ?? 0
          expect(atLeast).toBeLessThanOrEqual(count)
          expect(count).toBeLessThanOrEqual(atMost)
          expect(atMost - atLeast).toBeLessThanOrEqual(all.length / counters)
        }
        const seen = new Set(told.map(({ key }) => key))
        for (const [key, count] of exactly(all))
          if (count > all.length / counters) expect(seen).toContain(key)
      }),
      { numRuns: 40 },
    )
  })

  test('of many workers are combined by reading each only once', () => {
    const parts = Array.from({ length: 40 }, (_, part) =>
      hitters(
        Array.from({ length: 60 }, (_, nth) => userKey(1 + part * 100 + nth)),
        50,
      ),
    )
    let looks = 0
    for (const part of parts) {
      const { floor } = part
      Object.defineProperty(part, 'floor', {
        get: () => {
          looks++
          return floor
        },
      })
    }
    const told = together(parts)
    expect(looks).toBe(40)
    expect(told).toHaveLength(40 * 50)
    // Each key occurred at one worker; each other worker may have counted it up to its floor.
    for (const { key, atLeast, atMost } of told) {
      const own = parts.flatMap((part) => [...part.entries()].filter((each) => each.key === key))
      const others = parts.reduce((sum, part) => sum + part.floor, 0) - (parts[0]?.floor ?? 0)
      expect({ atLeast, atMost }).toEqual({
        atLeast: own[0]?.atLeast,
        atMost: (own[0]?.atMost ?? 0) + others,
      })
    }
  })

  test('can be serialized and continue to count', () => {
    fc.assert(
      fc.property(stream, stream, size, (before, after, counters) => {
        const told = hitters(before, counters)
        const read = HeavyHitters.read(JSON.parse(JSON.stringify(told.write()))) as HeavyHitters
        for (const key of after) {
          told.add(key)
          read.add(key)
        }
        expect(read.floor).toBe(told.floor)
        for (const { key, atLeast } of read.entries()) {
          expect(atLeast).toBeLessThanOrEqual(exactly([...before, ...after]).get(key) ?? 0)
        }
      }),
      { numRuns: 30 },
    )
  })

  test.each([
    undefined,
    {},
    [-1],
    [1, ['u1', 1, 0], ['u2', 1, 0]],
    [2, ['u1', 1, 2]],
    [2, ['', 1, 0]],
    [2, 'u1'],
  ])('are not parsed from %j', (written) => {
    expect(HeavyHitters.read(written)).toBeUndefined()
  })
})

describe('the frequency sketch', () => {
  test('never estimates too low', () => {
    fc.assert(
      fc.property(stream, (keys) => {
        const told = frequency(keys)
        for (const [key, count] of exactly(keys)) expect(told.estimate(key)).toBeGreaterThanOrEqual(count)
      }),
      { numRuns: 30 },
    )
  })

  test('rarely estimates too high by more than its error bound, for 100,000 updates of 20,000 users', () => {
    const keys = Array.from({ length: 100_000 }, (_, nth) => userKey(1 + ((nth * nth) % 20_011)))
    const told = frequency(keys)
    const wrong = [...exactly(keys)].filter(
      ([key, n]) => told.estimate(key) - n > FREQUENCY_ERROR * keys.length,
    )
    expect(wrong.length / exactly(keys).size).toBeLessThan(0.0184)
  })

  test('of two parts, one of them serialized, merges into the sketch of both', () => {
    fc.assert(
      fc.property(stream, stream, (one, other) => {
        const merged = frequency(one)
        merged.merge(Frequency.read(frequency(other).write()) as Frequency)
        expect(merged.write()).toBe(frequency([...one, ...other]).write())
      }),
      { numRuns: 15 },
    )
    expect(Frequency.read('AAAA')).toBeUndefined()
    expect(Frequency.read(`!${frequency([]).write().slice(1)}`)).toBeUndefined()
  })
})

describe('the estimate of distinct keys', () => {
  // The bound is six standard errors. Keys and hash are the same in every run, so the result never varies.
  test.each([0, 1, 10, 100, 3000, 9000, 12_000, 100_000])('is within bounds for %i', (many) => {
    const keys = Array.from({ length: many }, (_, nth) => userKey(5_000_000_000 + nth * 3))
    const { estimate } = distinct([...keys, ...keys.slice(0, 1000)])
    expect(Math.abs(estimate - many)).toBeLessThanOrEqual(6 * DISTINCT_ERROR * many)
  })

  test('is within two standard errors on average, over 40 sets of 2,000', () => {
    let sum = 0
    for (let set = 0; set < 40; set++) {
      const keys = Array.from({ length: 2000 }, (_, nth) => userKey(1_000_000 * (set + 1) + nth * (set + 1)))
      sum += ((distinct(keys).estimate - 2000) / 2000) ** 2
    }
    expect(Math.sqrt(sum / 40)).toBeLessThan(2 * DISTINCT_ERROR)
  })

  test('of two parts merges into the estimate of both, in any order, without counting twice', () => {
    fc.assert(
      fc.property(stream, stream, (one, other) => {
        const merged = distinct(one)
        merged.merge(Distinct.read(distinct(other).write()) as Distinct)
        merged.merge(distinct(one))
        expect(merged.write()).toBe(distinct([...other, ...one]).write())
      }),
      { numRuns: 15 },
    )
    expect(Distinct.read(7)).toBeUndefined()
  })
})
