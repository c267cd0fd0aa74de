import { z } from 'zod'
import {
  type FailureEvent,
  type PreferenceSchema,
  type Preferences,
  sentinel,
  subject,
} from '../../src/index.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { memory } from '../../src/storage/memory/memory.js'
import { Stage } from '../middleware/rig.js'
import { later, tick } from '../sentinel/desk.js'

const ALICE = 7
const PLAZA = subject.chat(-1001000000001)

const schema = z.object({
  language: z.enum(['en', 'ru']).default('en'),
  quiet: z.boolean().default(false),
  size: z.number().optional(),
})
type Wishes = z.infer<typeof schema>

function stand(storage: Storage = memory(), options = {}) {
  const guard = sentinel({ storage })
  const failures: FailureEvent[] = []
  guard.on('error', (failure) => failures.push(failure))
  return { guard, failures, wishes: guard.users.preferences(schema, options) }
}

describe.each<[string, () => Storage]>([
  ['memory', () => memory()],
  ['a storage that answers later', () => later()],
])('preferences in %s', (_, make) => {
  test('of one space change one after another, whatever the schema', async () => {
    const { guard, wishes } = stand(make())
    const others = guard.users.preferences(schema)
    const elsewhere = guard.users.preferences(schema, { name: 'elsewhere' })
    await Promise.all([
      wishes.patch(ALICE, { language: 'ru' }),
      others.patch(ALICE, { quiet: true }),
      elsewhere.patch(ALICE, { size: 1 }),
      wishes.patch(ALICE, { size: 3 }),
    ])
    expect(await wishes.get(ALICE)).toEqual({ language: 'ru', quiet: true, size: 3 })
    expect(await elsewhere.get(ALICE)).toEqual({ language: 'en', quiet: false, size: 1 })
  })

  test('have defaults, are set, changed in part, and reset', async () => {
    const { wishes, failures } = stand(make())
    expect(await wishes.get(ALICE)).toEqual({ language: 'en', quiet: false })
    expect(await wishes.set(ALICE, { language: 'ru', quiet: true })).toEqual({ language: 'ru', quiet: true })
    expect(await wishes.patch(ALICE, { size: 3, language: undefined as unknown as 'en' })).toEqual({
      language: 'ru',
      quiet: true,
      size: 3,
    })
    await wishes.patch(PLAZA, { quiet: true })
    expect([await wishes.get(PLAZA), await wishes.get(8)]).toEqual([
      { language: 'en', quiet: true },
      { language: 'en', quiet: false },
    ])
    expect([await wishes.reset(ALICE), await wishes.reset(ALICE)]).toEqual([true, false])
    expect(await wishes.get(ALICE)).toEqual({ language: 'en', quiet: false })
    expect(failures).toEqual([])
  })

  test('of one subject are changed one after another', async () => {
    const { wishes } = stand(make())
    await Promise.all([
      wishes.patch(ALICE, { language: 'ru' }),
      wishes.patch(ALICE, { quiet: true }),
      wishes.patch(ALICE, { size: 1 }),
      expect(wishes.patch(ALICE, { size: 'big' as unknown as number })).rejects.toMatchObject({
        code: 'preference.invalid',
      }),
      wishes.patch(ALICE, { size: 2 }),
    ])
    expect(await wishes.get(ALICE)).toEqual({ language: 'ru', quiet: true, size: 2 })
  })
})

describe('preferences', () => {
  test('that the schema refuses are not stored; the error names the problem, without the values', async () => {
    const { wishes, guard } = stand()
    await wishes.set(ALICE, { language: 'ru', quiet: true })
    const wrong = { language: 'password1', quiet: 1 } as unknown as Wishes
    const told = await wishes.set(ALICE, wrong).catch((error: Error) => error.message)
    expect(told).toMatch(/^preferences: language: .*; quiet: /)
    expect(told).not.toContain('password1')
    await expect(wishes.patch(ALICE, null as unknown as Wishes)).rejects.toMatchObject({
      code: 'preference.invalid',
    })
    await expect(wishes.get('alice' as unknown as number)).rejects.toMatchObject({ code: 'subject.invalid' })
    expect(await wishes.get(ALICE)).toEqual({ language: 'ru', quiet: true })
    expect(await guard.storage.values.get('preferences', 'u7')).toEqual({
      v: 1,
      data: { language: 'ru', quiet: true },
    })
  })

  test.each<[string, unknown]>([
    ['without a version', { language: 'ru' }],
    ['with invalid values', { v: 1, data: { language: 'password1' } }],
    ['with data that is not an object', { v: 1, data: 'text' }],
    ['a text', 'corrupt'],
    ['nothing', null],
  ])('that are corrupt (%s) are read as the defaults, and reported', async (_, kept) => {
    const { guard, wishes, failures } = stand()
    await guard.storage.values.put('preferences', 'u7', kept)
    expect(await wishes.get(ALICE)).toEqual({ language: 'en', quiet: false })
    expect(failures).toHaveLength(1)
    const [{ error, during } = { error: undefined, during: '' }] = failures
    expect(during).toBe('preferences')
    expect(error).toMatchObject({ code: 'preference.invalid', message: expect.stringContaining('for u7') })
    expect(String(error)).not.toContain('password1')
    await wishes.patch(ALICE, { quiet: true })
    failures.length = 0
    expect(await wishes.get(ALICE)).toEqual({ language: 'en', quiet: true })
    expect(failures).toEqual([])
  })

  test('of an earlier version are migrated by a function that returns a promise', async () => {
    const storage = memory()
    await storage.values.put('preferences', 'u7', { v: 1, data: { lang: 'ru' } })
    const migrate = async (stored: unknown) => ({ language: Object(stored).lang })
    const { wishes, failures } = stand(storage, { version: 2, migrate })
    expect(await wishes.get(ALICE)).toEqual({ language: 'ru', quiet: false })
    expect(await wishes.patch(ALICE, { quiet: true })).toEqual({ language: 'ru', quiet: true })
    const refused = stand(storage, { version: 3, migrate: () => Promise.reject(new Error('no')) })
    expect(await refused.wishes.get(ALICE)).toEqual({ language: 'en', quiet: false })
    expect(failures).toEqual([])
    expect(refused.failures).toEqual([expect.objectContaining({ during: 'preferences' })])
  })

  test('are migrated once by a query that runs each time it is awaited', async () => {
    const storage = memory()
    await storage.values.put('preferences', 'u7', { v: 1, data: {} })
    let runs = 0
    const migrate = () => ({
      // biome-ignore lint/suspicious/noThenProperty: query builders have one
      then: (done: (migrated: object) => void) => {
        runs++
        done({ language: 'ru' })
      },
    })
    const { wishes } = stand(storage, { version: 2, migrate })
    expect(await wishes.get(ALICE)).toEqual({ language: 'ru', quiet: false })
    expect(runs).toBe(1)
  })

  test.each<[string, () => unknown, string]>([
    [
      'rejects',
      () => Promise.reject(new Error('database is down')),
      'preferences: nothing was changed, because migrate() failed (Error: database is down). Try again, or mend it.',
    ],
    [
      'throws',
      () => {
        throw new Error('broken')
      },
      'preferences: nothing was changed, because migrate() failed (Error: broken). Try again, or mend it.',
    ],
    [
      'throws a value without a text',
      () => {
        throw Object.create(null)
      },
      'preferences: nothing was changed, because migrate() failed (a value without a text). Try again, or mend it.',
    ],
  ])('of an earlier version stay as they are if migrate %s during a patch', async (_, migrate, message) => {
    const storage = memory()
    const old = { v: 1, data: { lang: 'ru' } }
    await storage.values.put('preferences', 'u7', old)
    const { wishes, failures } = stand(storage, { version: 2, migrate })
    await expect(wishes.patch(ALICE, { quiet: true })).rejects.toEqual(
      expect.objectContaining({ code: 'preference.invalid', message }),
    )
    expect(await storage.values.get('preferences', 'u7')).toEqual(old)
    expect(failures).toEqual([])
    // What replaces everything needs no migration.
    await wishes.set(ALICE, { language: 'en', quiet: true })
    expect(await wishes.get(ALICE)).toEqual({ language: 'en', quiet: true })
  })

  test('are waited for ten seconds at most if migrate never ends, and other changes wait no longer', async () => {
    const storage = memory()
    await storage.values.put('preferences', 'u7', { v: 1, data: { lang: 'ru' } })
    const time = new Stage()
    const { users } = sentinel({ storage, clock: time.clock, timers: time.timers })
    let isAsked = false
    const migrate = () => {
      isAsked = true
      return new Promise(() => {})
    }
    const wishes = users.preferences(schema, { version: 2, migrate })
    const patched = wishes.patch(ALICE, { quiet: true }).catch((error: unknown) => error)
    const reset = wishes.reset(ALICE)
    while (!isAsked) await tick()
    time.advance(10_000)
    expect(await patched).toMatchObject({
      code: 'preference.invalid',
      cause: expect.objectContaining({ code: 'callback.timeout' }),
    })
    expect(await reset).toBe(true)
  })

  test('of an earlier version are migrated, and stored in this version when they are next written', async () => {
    const storage = memory()
    await storage.values.put('preferences', 'u7', { v: 1, data: { lang: 'ru' } })
    await storage.values.put('preferences', 'u8', { v: 1, data: { lang: 'xx' } })
    const migrate = (stored: unknown, from: number): unknown => {
      const { lang } = stored as { lang: string }
      return { language: lang, quiet: from === 1 }
    }
    const { wishes, failures, guard } = stand(storage, { version: 2, migrate })
    expect(await wishes.get(ALICE)).toEqual({ language: 'ru', quiet: true })
    expect(await storage.values.get('preferences', 'u7')).toMatchObject({ v: 1 })
    await wishes.patch(ALICE, { size: 1 })
    expect(await storage.values.get('preferences', 'u7')).toEqual({
      v: 2,
      data: { language: 'ru', quiet: true, size: 1 },
    })
    expect(failures).toEqual([])
    expect(await wishes.get(8)).toEqual({ language: 'en', quiet: false })
    expect(failures).toHaveLength(1)
    // A migration that throws does not make the read fail, either.
    const broken = guard.users.preferences(schema, {
      version: 3,
      migrate: () => {
        throw new Error('broken')
      },
    })
    expect(await broken.get(ALICE)).toEqual({ language: 'en', quiet: false })
    expect(failures).toHaveLength(2)
  })

  test('may be described by a function, or by a schema that answers later', async () => {
    const { guard } = stand()
    const byHand: Preferences<{ quiet: boolean }> = guard.users.preferences(
      (given) => ({ quiet: Object(given).quiet === true }),
      { name: 'by hand' },
    )
    await byHand.set(ALICE, { quiet: true })
    expect(await byHand.get(ALICE)).toEqual({ quiet: true })
    const slow: PreferenceSchema<{ n: number }> = {
      '~standard': {
        validate: async (given) => {
          const { n = 1 } = given as { n?: number }
          return n > 0 ? { value: { n } } : { issues: [{ message: 'too small', path: [{ key: 'n' }] }] }
        },
      },
    }
    const slowly = guard.users.preferences(slow, { name: 'slow' })
    expect(await slowly.get(ALICE)).toEqual({ n: 1 })
    await expect(slowly.set(ALICE, { n: 0 })).rejects.toThrow('preferences: n: too small.')
  })

  test('with names of prototypes change no prototype', async () => {
    const { guard } = stand()
    const any = guard.users.preferences(z.looseObject({}), { name: 'any' })
    await any.patch(ALICE, JSON.parse('{"__proto__": {"polluted": 1}, "constructor": 2}') as object)
    const read = await any.get(ALICE)
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
    expect((read as { polluted?: unknown }).polluted).toBeUndefined()
  })

  test('need a schema with defaults, and valid options', () => {
    const { guard } = stand()
    const made =
      (given: unknown, options = {}) =>
      () =>
        guard.users.preferences(given as PreferenceSchema<object>, options)
    expect(made(z.object({ needed: z.string() }))).toThrow(
      expect.objectContaining({ code: 'preference.invalid' }),
    )
    expect(made({})).toThrow(expect.objectContaining({ code: 'option.invalid' }))
    expect(made(undefined)).toThrow(expect.objectContaining({ code: 'option.invalid' }))
    expect(made(z.string().default('x'))).toThrow(expect.objectContaining({ code: 'preference.invalid' }))
    expect(made(schema, { version: 0 })).toThrow(expect.objectContaining({ code: 'option.invalid' }))
    expect(made(schema, { name: '' })).toThrow(expect.objectContaining({ code: 'value.invalid' }))
    expect(made(schema, { migrate: 'yes' })).toThrow(expect.objectContaining({ code: 'option.invalid' }))
  })
})
