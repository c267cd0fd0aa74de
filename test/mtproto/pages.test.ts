import fc from 'fast-check'
import { pageOf } from '../../src/telegram/mtproto/methods/shared/pages.js'

/** Returns messages with descending ids and dates, the latest first. */
const list = (length: number) =>
  Array.from({ length }, (_, n) => ({ id: length - n, date: 1000 + (length - n) * 10 }))
const ALL = { offsetId: 0, offsetDate: 0, addOffset: 0, limit: 100, maxId: 0, minId: 0 }

test('pages going back, each from the last id of the previous one, form the whole list', () => {
  fc.assert(
    fc.property(fc.nat(60), fc.integer({ min: 1, max: 20 }), (length, limit) => {
      const all = list(length)
      const seen: number[] = []
      for (let offsetId = 0; ; ) {
        const page = pageOf(all, { ...ALL, offsetId, limit })
        if (page.length === 0) break
        seen.push(...page.map(({ id }) => id))
        offsetId = seen.at(-1) as number
      }
      expect(seen).toEqual(all.map(({ id }) => id))
    }),
  )
})

test('pages going forward, by a negative offset, form the whole list as well', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 20 }), (length, limit) => {
      const all = list(length)
      const seen = [1]
      for (;;) {
        const offsetId = (seen.at(-1) as number) + 1
        const page = pageOf(all, { ...ALL, offsetId, addOffset: -limit, limit })
        if (page.length === 0) break
        seen.push(...page.map(({ id }) => id).reverse())
      }
      expect(seen).toEqual(all.map(({ id }) => id).reverse())
    }),
  )
})

test.each<[string, Partial<typeof ALL>, readonly number[]]>([
  ['from the latest', { limit: 3 }, [9, 8, 7]],
  ['below an id, without that id', { offsetId: 5, limit: 2 }, [4, 3]],
  ['before a date', { offsetDate: 1050, limit: 2 }, [4, 3]],
  ['around an id', { offsetId: 5, addOffset: -2, limit: 4 }, [6, 5, 4, 3]],
  ['further back', { addOffset: 4, limit: 2 }, [5, 4]],
  ['beyond the end', { addOffset: 20 }, []],
  ['beyond the start', { offsetId: 9, addOffset: -20, limit: 5 }, []],
  ['between two ids, without both', { minId: 3, maxId: 7 }, [6, 5, 4]],
])('a page %s', (_, page, ids) => {
  expect(pageOf(list(9), { ...ALL, ...page }).map(({ id }) => id)).toEqual(ids)
})
