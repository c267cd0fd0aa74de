import type { Ask, Judge, MaybePromise, Plan } from '../../src/core/check.js'
import type { Clock } from '../../src/core/clock.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { memory } from '../../src/storage/memory/memory.js'
import { type ConformanceCase, storageConformance } from '../../src/testing/conformance.js'

async function failing(cases: readonly ConformanceCase[]): Promise<string[]> {
  const failed: string[] = []
  for (const { name, run } of cases) {
    await run().catch((error: unknown) => failed.push(`${name}: ${(error as Error).message}`))
  }
  return failed
}

/** A memory storage with one part replaced. */
function but(change: (sound: Storage) => Partial<Storage>): (clock: Clock) => Storage {
  return (clock) => {
    const sound = memory({ clock })
    const changed = change(sound)
    return new Proxy(sound, {
      get(of, name) {
        const value: unknown = Reflect.get(Object.hasOwn(changed, name) ? changed : of, name)
        return typeof value === 'function' ? value.bind(of) : value
      },
    })
  }
}

const promises = (over: Storage['marks'], other: Partial<Storage['marks']>): Storage['marks'] => ({
  get: (...args) => over.get(...args),
  of: (...args) => over.of(...args),
  put: (...args) => over.put(...args),
  remove: (...args) => over.remove(...args),
  scan: (...args) => over.scan(...args),
  ...other,
})

const prepared = new WeakMap<Storage, Map<string, ReturnType<Storage['prepare']>>>()

describe('the conformance suite of storages', () => {
  test.each<[string, (sound: Storage) => Partial<Storage>, RegExp]>([
    [
      'charges for a peek',
      (sound) => ({
        async prepare(plan) {
          const judge = await sound.prepare(plan)
          const { evaluate, settle } = judge
          return { evaluate: evaluate.bind(judge), peek: evaluate.bind(judge), settle: settle.bind(judge) }
        },
      }),
      /^a peek returns what an evaluation would, and writes nothing: /m,
    ],
    [
      'returns a wait that is a millisecond too short',
      (sound) => ({
        async prepare(plan) {
          const judge = await sound.prepare(plan)
          const short: typeof judge.evaluate = async (...args) => {
            const decision = await judge.evaluate(...args)
            if (decision.refusedBy === -1) return decision
            return { ...decision, retryAfterMs: decision.retryAfterMs - 1 }
          }
          return { evaluate: short, peek: judge.peek.bind(judge), settle: judge.settle.bind(judge) }
        },
      }),
      /^a limit of form log returns to the millisecond /m,
    ],
    [
      'counts a limit of a chat for each user separately',
      () => ({
        async prepare(plan) {
          const own = new Map<unknown, Judge>()
          const judgeOf = async (ask: Ask): Promise<Judge> => {
            const key = ask.subjects[0]
            const known = own.get(key) ?? (await memory().prepare(plan))
            own.set(key, known)
            return known
          }
          return {
            evaluate: async (ask, at) => (await judgeOf(ask)).evaluate(ask, at),
            peek: async (ask, at) => (await judgeOf(ask)).peek(ask, at),
            settle: () => undefined,
          }
        },
      }),
      /^of many users who ask at once in one chat, exactly as many as its limit of form log allows are admitted: /m,
    ],
    [
      'removes marks of all bots',
      ({ marks }) => ({
        marks: promises(marks, {
          remove: async (bot, name, keys) => {
            for (const other of [2 ** 32 + bot, bot - 2 ** 32])
              if (other > 0) await marks.remove(other, name, keys)
            return marks.remove(bot, name, keys)
          },
        }),
      }),
      /^marks, activity, removals and resets of one bot do not affect another: /m,
    ],
    [
      'stores only 32 bits of the id of a bot',
      ({ marks }) => ({
        marks: promises(marks, {
          get: (bot, ...rest) => marks.get(bot % 2 ** 32, ...rest),
          put: (bot, ...rest) => marks.put(bot % 2 ** 32, ...rest),
          remove: (bot, ...rest) => marks.remove(bot % 2 ** 32, ...rest),
          scan: (bot, ...rest) => marks.scan(bot % 2 ** 32, ...rest),
        }),
      }),
      /^marks, activity, removals and resets of one bot do not affect another: /m,
    ],
    [
      'truncates reasons',
      ({ marks }) => ({
        marks: promises(marks, {
          put: (bot, name, entries) =>
            marks.put(
              bot,
              name,
              entries.map(({ key, mark: { reason, ...mark } }) => ({
                key,
                mark: reason === undefined ? mark : { ...mark, reason: reason.slice(0, 255) },
              })),
            ),
        }),
      }),
      /^marks, activity, removals and resets of one bot do not affect another: /m,
    ],
    [
      'records at most a hundred users in one call',
      ({ users }) => ({
        users: {
          get: (...args) => users.get(...args),
          note: (bot, activity) => users.note(bot, activity.slice(0, 100)),
          patch: (...args) => users.patch(...args),
          erase: (...args) => users.erase(...args),
          scan: (...args) => users.scan(...args),
        },
      }),
      /^activity of a thousand users in one call is noted for each: /m,
    ],
    [
      'keeps the end of a replaced mark',
      ({ marks }) => ({
        marks: promises(marks, {
          put: async (bot, name, entries) => {
            for (const { key, mark } of entries) {
              const until = mark.until ?? (await marks.get(bot, key, name))?.until
              await marks.put(bot, name, [{ key, mark: { ...mark, ...(until !== undefined && { until }) } }])
            }
          },
        }),
      }),
      /^a mark that is put again replaces the old one completely/m,
    ],
    [
      'trims keys',
      ({ values }) => ({
        values: {
          get: (space, key) => values.get(space, key.trim()),
          put: (space, key, value, until) => values.put(space, key.trim(), value, until),
          remove: (space, key) => values.remove(space, key.trim()),
          scan: (...args) => values.scan(...args),
        },
      }),
      /^names of spaces, keys and marks are distinguished exactly, letter by letter: /m,
    ],
    [
      'forgets to index marks',
      ({ marks }) => ({ marks: promises(marks, { scan: () => ({ entries: [] }) }) }),
      /^pages of marks contain every /m,
    ],
    [
      'returns its stored objects without copying them',
      () => {
        const kept = new Map<string, unknown>()
        return {
          values: {
            get: (space, key) => kept.get(`${space} ${key}`),
            put: (space, key, value) => void kept.set(`${space} ${key}`, value),
            remove: (space, key) => kept.delete(`${space} ${key}`),
            scan: () => ({ entries: [] }),
          },
        }
      },
      /^changing a value after putting or reading it does not change the stored value: /m,
    ],
    [
      'reports no changes',
      () => ({ watch: () => () => undefined }),
      /^reports to every listener until it is stopped: told of .* not within/m,
    ],
  ])(
    'detects a storage that %s',
    async (_, change, complaint) => {
      const cases = storageConformance({ make: but(change), schedules: 0 })
      const suspects = cases.filter(({ name }) => complaint.test(`${name}: told of x: not within 5 s`))
      expect(suspects.length).toBeGreaterThan(0)
      expect((await failing(suspects)).join('\n')).toMatch(complaint)
    },
    60_000,
  )

  test('detects a difference from the reference model, and shows the schedule', async () => {
    const generous = but((sound) => ({
      prepare: (plan) =>
        sound.prepare({
          ...plan,
          checks: plan.checks.map((check) =>
            check.kind === 'window'
              ? { ...check, limit: { ...check.limit, amount: check.limit.amount + 1 } }
              : check,
          ),
        }),
    }))
    const random = storageConformance({ make: generous, schedules: 500 }).filter(({ name }) =>
      /random/.test(name),
    )
    expect(random).toHaveLength(1)
    const [complaint = ''] = await failing(random)
    expect(complaint).toMatch(/the reference/)
    expect(complaint).toMatch(/Counterexample/)
  })

  test('runs the cases of two workers only if storages can share a place, and clears every place', async () => {
    const alone = storageConformance({ make: (clock) => memory({ clock }), schedules: 20 })
    const open: number[] = []
    let places = 0
    const handles = new Map<number, Storage>()
    const trial = {
      schedules: 20,
      place: (): number => {
        open.push(++places)
        return places
      },
      clear: async (place: number): Promise<void> => {
        open.splice(open.indexOf(place), 1)
        await handles.get(place)?.close()
        handles.delete(place)
      },
      make: (clock: Clock, place: number): MaybePromise<Storage> => {
        const shared = handles.get(place) ?? memory({ clock })
        handles.set(place, shared)
        return handleOn(shared)
      },
    }
    const together = storageConformance(trial)
    const workers = together.filter(({ name }) => !alone.some((each) => each.name === name))
    expect(workers.length).toBeGreaterThan(10)
    // Memory only keeps the latest plan of a name, so it cannot serve two versions at once.
    const fit = workers.filter(({ name }) => !/two versions|taking turns/.test(name))
    expect(await failing(fit)).toEqual([])
    expect(fit.length).toBe(workers.length - 2)
    expect([open, places]).toEqual([[], fit.length])
  })

  test('refuses an invalid number of schedules', () => {
    for (const schedules of [-1, 0.5, Number.NaN]) {
      expect(() => storageConformance({ make: () => memory(), schedules })).toThrow(
        /schedules: .* whole number/,
      )
    }
  })
})

/**
 * One worker's handle of a shared memory storage. Closing it leaves the memory open; and since memory treats every plan as a newer
 * version, equal plans are prepared once.
 */
function handleOn(shared: Storage): Storage {
  const judges = prepared.get(shared) ?? new Map<string, ReturnType<Storage['prepare']>>()
  prepared.set(shared, judges)
  return new Proxy(shared, {
    get(of, name) {
      if (name === 'close') return () => undefined
      if (name === 'prepare') {
        return (plan: Plan) => {
          const text = JSON.stringify(plan)
          const judge = judges.get(text) ?? of.prepare(plan)
          judges.set(text, judge)
          return judge
        }
      }
      const value: unknown = Reflect.get(of, name)
      return typeof value === 'function' ? value.bind(of) : value
    },
  })
}
