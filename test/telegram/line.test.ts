import fc from 'fast-check'
import { Line } from '../../src/telegram/world/collections/line.js'

test('a line is a set in order of insertion, also after deletions', () => {
  const deed = fc.oneof(
    { weight: 3, arbitrary: fc.constant('comes' as const) },
    { weight: 2, arbitrary: fc.constant('first goes' as const) },
    { weight: 1, arbitrary: fc.nat(50) },
  )
  fc.assert(
    fc.property(fc.array(deed, { maxLength: 400 }), (deeds) => {
      const line = new Line<{ name: number }>()
      const model = new Set<{ name: number }>()
      deeds.forEach((each, name) => {
        if (each === 'comes') {
          const item = { name }
          line.add(item)
          model.add(item)
          return
        }
        const gone = [...model][each === 'first goes' ? 0 : each]
        if (gone === undefined) return
        expect(line.delete(gone)).toBe(model.delete(gone))
        expect(line.delete(gone)).toBe(false)
      })
      expect([...line]).toEqual([...model])
      expect([line.size, line.first]).toEqual([model.size, [...model][0]])
      for (const item of model) expect(line.has(item)).toBe(true)
    }),
    { numRuns: 200 },
  )
})

test('it compacts itself, also during an iteration', () => {
  const line = new Line<{ name: number }>()
  const items = Array.from({ length: 5000 }, (_, name) => ({ name }))
  for (const item of items) line.add(item)
  const seen: number[] = []
  for (const item of line) {
    seen.push(item.name)
    line.delete(item)
  }
  expect(seen).toEqual(items.map(({ name }) => name))
  expect([line.size, line.first]).toEqual([0, undefined])
  const late = { name: -1 }
  line.add(late)
  expect([...line]).toEqual([late])
})
