import fc from 'fast-check'
import { userKey } from '../../../src/core/subject.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { ALICE, BOT, blocked, goDown, settled } from '../outage.js'
import { pair } from './pair.js'

/* Writes to several storages reach each of them in the order of the calls, however their speeds differ. */

const write: Readonly<Record<string, (storage: Storage, on: boolean) => unknown>> = {
  marks: ({ marks }, on) =>
    on
      ? marks.put(BOT, 'blocked', [{ key: ALICE, mark: { since: 1 } }])
      : marks.remove(BOT, 'blocked', [ALICE]),
  values: ({ values }, on) => (on ? values.put('s', 'k', 1) : values.remove('s', 'k')),
  users: ({ users }, on) =>
    on ? users.note(BOT, [{ key: ALICE, at: 1, counts: { tea: 1 } }]) : users.erase(BOT, ALICE),
}

async function contentsOf({ marks, values, users }: Storage, key = ALICE): Promise<unknown> {
  return [
    await marks.get(BOT, key, 'blocked'),
    await values.get('s', 'k'),
    (await users.get(BOT, key))?.counts,
  ]
}

describe.each(Object.keys(write))('%s', (kind) => {
  const asked = write[kind] as (storage: Storage, on: boolean) => unknown

  test('that were removed at once are gone from a slow second storage, too', async () => {
    const { second, storage, pass } = pair({}, 5)
    second.delay = 50
    await asked(storage, true)
    // As on another, idle connection of a pool.
    second.delay = 5
    await asked(storage, false)
    await pass(200)
    expect(await contentsOf(second.kept)).toEqual([undefined, undefined, undefined])
  })

  test('that are being written to the second storage when the first fails come before later ones', async () => {
    const { first, second, storage, judgeOf, pass, done } = pair({}, 5)
    second.delay = 50
    await asked(storage, true)
    second.delay = 0
    await goDown(first, await judgeOf(blocked))
    await done(() => asked(storage, false))
    await pass(200)
    expect(await contentsOf(second.kept)).toEqual([undefined, undefined, undefined])
  })

  test('to one key that get no answer delay others to that key for one timeout at most', async () => {
    const { second, storage, pass } = pair({}, 5)
    second.fault = 'loses'
    await asked(storage, true)
    await pass(5)
    second.fault = 'none'
    await asked(storage, false)
    await pass(785)
    expect(second.asked.filter((what) => /remove|erase/.test(what))).toEqual([])
    await pass(300)
    expect(await contentsOf(second.kept)).toEqual([undefined, undefined, undefined])
  })

  test('that wait when the storage is closed are written first', async () => {
    const { second, storage, done } = pair({}, 5)
    second.delay = 50
    await asked(storage, true)
    await asked(storage, false)
    await done(() => storage.close())
    expect(second.asked.at(-1)).toBe('close')
    expect(second.asked.at(-2)).toMatch(/remove|erase/)
  })
})

test('writes to other keys do not wait', async () => {
  const { second, storage, pass } = pair({}, 5)
  second.delay = 90
  for (let k = 0; k < 20; k++) await storage.values.put('s', String(k), k)
  await settled()
  expect(second.asked).toHaveLength(20)
  await pass(90)
  expect((await second.kept.values.scan('s')).entries).toHaveLength(20)
})

test('after random writes, sequential or concurrent, both storages have the same content', async () => {
  const step = fc.record({
    kind: fc.constantFrom('marks', 'values', 'users', 'patch'),
    on: fc.boolean(),
    user: fc.integer({ min: 1, max: 2 }),
    delays: fc.tuple(fc.nat(90), fc.nat(90)),
    awaited: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const { first, second, storage, pass, done } = pair({}, 5)
      const all: Promise<unknown>[] = []
      for (const [index, { kind, on, user, delays, awaited }] of steps.entries()) {
        first.delay = delays[0]
        second.delay = delays[1]
        const key = userKey(user)
        const work = async (): Promise<unknown> => {
          if (kind === 'marks') {
            const mark = { since: index + 1 }
            return on
              ? storage.marks.put(BOT, 'blocked', [{ key, mark }])
              : storage.marks.remove(BOT, 'blocked', [key])
          }
          if (kind === 'values')
            return on ? storage.values.put('s', 'k', index) : storage.values.remove('s', 'k')
          if (kind === 'patch') return storage.users.patch(BOT, key, { tea: index })
          return on
            ? storage.users.note(BOT, [{ key, at: index, counts: { tea: 1 } }])
            : storage.users.erase(BOT, key)
        }
        const working = done(work)
        all.push(working)
        if (awaited) await working
      }
      await Promise.all(all)
      await pass(3000)
      for (const user of [1, 2]) {
        const key = userKey(user)
        expect(await contentsOf(second.kept, key)).toEqual(await contentsOf(first.kept, key))
        const [one, other] = [await first.kept.users.get(BOT, key), await second.kept.users.get(BOT, key)]
        // The time last seen differs if only data was written: each storage uses its own clock.
        expect([other?.counts, other?.data]).toEqual([one?.counts, one?.data])
      }
    }),
    { numRuns: Number(process.env.FAULT_RUNS ?? 25) },
  )
})
