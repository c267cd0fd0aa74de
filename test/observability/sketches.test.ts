import fc from 'fast-check'
import { type Key, userKey } from '../../src/core/subject.js'
import { DISTINCT_ERROR, Distinct } from '../../src/observability/stats/distinct.js'
import { FREQUENCY_ERROR, Frequency } from '../../src/observability/stats/frequency.js'
import { HeavyHitters, together } from '../../src/observability/stats/heavy-hitters.js'

/** Who comes how often: a few come much, many a little, in any order; some are no numbers. */
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

describe('heavy hitters, with counters for few', () => {
  test('tell bounds that hold, no wider than n over the counters, and miss nobody who came more often than that', () => {
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

  test('are exact while there are counters for all', () => {
    fc.assert(
      fc.property(stream, (keys) => {
        const told = together([hitters(keys, 60)])
        expect(new Map(told.map(({ key, atMost }) => [key, atMost]))).toEqual(exactly(keys))
        expect(told.every(({ atLeast, atMost }) => atLeast === atMost)).toBe(true)
      }),
      { numRuns: 30 },
    )
  })

  test('of several workers hold together: the bounds of the sum, as wide as those of all', () => {
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

  test('of many workers are put together by looking at each once, whatever keys the others have', () => {
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
    // Everybody came once to one, and may have come to the others as often as the least of theirs.
    for (const { key, atLeast, atMost } of told) {
      const own = parts.flatMap((part) => [...part.entries()].filter((each) => each.key === key))
      const others = parts.reduce((sum, part) => sum + part.floor, 0) - (parts[0]?.floor ?? 0)
      expect({ atLeast, atMost }).toEqual({
        atLeast: own[0]?.atLeast,
        atMost: (own[0]?.atMost ?? 0) + others,
      })
    }
  })

  test('come back as they were written, and go on', () => {
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
  ])('are not read out of %j', (written) => {
    expect(HeavyHitters.read(written)).toBeUndefined()
  })
})

describe('the frequency of keys', () => {
  test('is never told too low', () => {
    fc.assert(
      fc.property(stream, (keys) => {
        const told = frequency(keys)
        for (const [key, count] of exactly(keys)) expect(told.estimate(key)).toBeGreaterThanOrEqual(count)
      }),
      { numRuns: 30 },
    )
  })

  test('is rarely told too high by more than its share of all: 100,000 of 20,000 users', () => {
    const keys = Array.from({ length: 100_000 }, (_, nth) => userKey(1 + ((nth * nth) % 20_011)))
    const told = frequency(keys)
    const wrong = [...exactly(keys)].filter(
      ([key, n]) => told.estimate(key) - n > FREQUENCY_ERROR * keys.length,
    )
    expect(wrong.length / exactly(keys).size).toBeLessThan(0.0184)
  })

  test('merges into what one would have been, as written and read, too', () => {
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

describe('how many are different', () => {
  // Six standard errors: keys and hash are the same in every run, so this holds or it does not.
  test.each([0, 1, 10, 100, 3000, 9000, 12_000, 100_000])('is told within bounds of %i', (many) => {
    const keys = Array.from({ length: many }, (_, nth) => userKey(5_000_000_000 + nth * 3))
    const { estimate } = distinct([...keys, ...keys.slice(0, 1000)])
    expect(Math.abs(estimate - many)).toBeLessThanOrEqual(6 * DISTINCT_ERROR * many)
  })

  test('is near the mark on the average: over 40 sets of 2,000, within two standard errors', () => {
    let sum = 0
    for (let set = 0; set < 40; set++) {
      const keys = Array.from({ length: 2000 }, (_, nth) => userKey(1_000_000 * (set + 1) + nth * (set + 1)))
      sum += ((distinct(keys).estimate - 2000) / 2000) ** 2
    }
    expect(Math.sqrt(sum / 40)).toBeLessThan(2 * DISTINCT_ERROR)
  })

  test('merges into what one would have been, in whichever order, and does not count twice', () => {
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
