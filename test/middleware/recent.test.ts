import fc from 'fast-check'
import { Recent } from '../../src/middleware/recent.js'

const MINUTE = 60_000

test('remembered entries lapse to the millisecond', () => {
  const recent = new Recent<string>(MINUTE)
  recent.set('a', 'first', 0)
  expect(recent.get('a', MINUTE - 1)).toBe('first')
  expect(recent.get('a', MINUTE)).toBeUndefined()
})

test('an entry that is set again lasts from then on, even if it was about to be dropped', () => {
  const recent = new Recent<string>(MINUTE)
  recent.set('a', 'first', 0)
  recent.set('b', 'other', MINUTE)
  recent.set('a', 'second', MINUTE)
  recent.set('c', 'other', 2 * MINUTE)
  expect(recent.get('a', 2 * MINUTE - 1)).toBe('second')
})

test('the number of entries is bounded, and at least half of the bound is kept', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 60 }), fc.array(fc.nat(200), { maxLength: 400 }), (most, names) => {
      const recent = new Recent<number>(MINUTE, most)
      for (const [now, name] of names.entries()) {
        recent.set(String(name), now, 0)
        expect(recent.size).toBeLessThanOrEqual(most + 1)
      }
      const last = [...new Set(names.toReversed())].slice(0, Math.floor(most / 2))
      for (const name of last) expect(recent.get(String(name), 0)).toBe(names.lastIndexOf(name))
    }),
  )
})

test('lapsed entries are dropped as new ones arrive', () => {
  const recent = new Recent<number>(MINUTE)
  for (let nth = 0; nth < 1000; nth++) recent.set(`early ${nth}`, nth, 0)
  recent.set('later', 1, MINUTE)
  recent.set('latest', 1, 2 * MINUTE)
  expect(recent.size).toBe(2)
})
