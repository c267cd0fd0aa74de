import fc from 'fast-check'
import { subjectKey, userKey } from '../../src/core/subject.js'
import type { GrammyAdapter, KeptDocument } from '../../src/storage/grammy/documents.js'
import { fromGrammyStorage } from '../../src/storage/grammy-storage.js'
import { memory } from '../../src/storage/memory/memory.js'
import { CHECKPOINTS } from '../../src/storage/migrate/checkpoint.js'
import { type MigrationProgress, migrate } from '../../src/storage/migrate.js'
import type { Storage } from '../../src/storage/storage.js'
import { crowd, linesOf, NOW, stock } from './migrate-stock.js'

const at = (): number => NOW + 10_000

function make(): Storage {
  return memory({ clock: at })
}

/** A storage, and how much was asked of it, or given to it, at once. */
function watched(storage: Storage): { storage: Storage; most: () => number } {
  let most = 0
  const noted = <A extends unknown[], R>(sizeOf: (...args: A) => number, work: (...args: A) => R) => {
    return (...args: A): R => {
      most = Math.max(most, sizeOf(...args))
      return work(...args)
    }
  }
  const { marks, users, values, archive } = storage
  const proxy = new Proxy(storage, {
    get(of, name) {
      if (name === 'marks') {
        return {
          get: marks.get.bind(marks),
          of: marks.of.bind(marks),
          remove: marks.remove.bind(marks),
          put: noted((_bot, _name, entries) => entries.length, marks.put.bind(marks)),
          scan: noted((_bot, _name, _from, size) => size ?? 9999, marks.scan.bind(marks)),
        } satisfies Storage['marks']
      }
      if (name === 'users') {
        return {
          get: users.get.bind(users),
          note: users.note.bind(users),
          patch: users.patch.bind(users),
          erase: users.erase.bind(users),
          scan: noted((_bot, _from, size) => size ?? 9999, users.scan.bind(users)),
        } satisfies Storage['users']
      }
      if (name === 'archive' && archive !== undefined) {
        return {
          contents: () => archive.contents(),
          marksOf: (bot, keys) => archive.marksOf(bot, keys),
          forget: (bot, keys) => archive.forget(bot, keys),
          restore: noted((_bot, all) => all.length, archive.restore.bind(archive)),
        } satisfies Storage['archive']
      }
      const value: unknown = name === 'values' ? values : Reflect.get(of, name)
      return typeof value === 'function' ? value.bind(of) : value
    },
  })
  return { storage: proxy, most: () => most }
}

describe('migrate', () => {
  test('moves all that is kept, and compares it', async () => {
    const [from, to] = [make(), make()]
    await stock(from)
    const { verified, copied, steps } = await migrate(from, to, { clock: at })
    expect(await linesOf(to)).toEqual(await linesOf(from))
    expect((await linesOf(to)).length).toBe(copied)
    expect(verified).toBe(true)
    expect(steps.map(({ step, count, verified: same, extra }) => [step, count, same, extra])).toEqual([
      ['marks 42 blocked', 3, true, 0],
      ['marks 42 role:Ünï {x}:y', 1, true, 0],
      ['marks 43 lapsed', 0, true, 0],
      ['marks 43 limit', 1, true, 0],
      ['users 42', 2, true, 0],
      ['values session', 2, true, 0],
      ['values space: {s}* 100%', 1, true, 0],
    ])
    for (const { checksum } of steps) expect(checksum).toMatch(/^[0-9a-f]{16}$/)
  })

  test('tells how far it is, by phase, and ends each at its total', async () => {
    const [from, to] = [make(), make()]
    await crowd(from, 25)
    const told: MigrationProgress[] = []
    await migrate(from, to, { batch: 10, onProgress: (progress) => told.push(progress) })
    const last = (phase: string) => told.filter((each) => each.phase === phase).at(-1)
    expect([last('count')?.done, last('copy'), last('verify')]).toEqual([
      50,
      { phase: 'copy', step: 'users 42', done: 50, total: 50 },
      { phase: 'verify', step: 'users 42', done: 50, total: 50 },
    ])
    for (const phase of ['count', 'copy', 'verify']) {
      const all = told.filter((each) => each.phase === phase).map(({ done }) => done)
      expect(all).toEqual([...all].sort((a, b) => a - b))
    }
  })

  test('holds a page at a time', async () => {
    const [from, to] = [watched(make()), watched(make())]
    await crowd(make(), 1)
    await crowd(from.storage, 0)
    for (let i = 0; i < 10; i++)
      await from.storage.marks.put(42, 'm', [{ key: userKey(i + 1), mark: { since: i } }])
    await from.storage.users.note(
      42,
      Array.from({ length: 60 }, (_, i) => ({ key: userKey(i + 1), at: NOW })),
    )
    await migrate(from.storage, to.storage, { batch: 7 })
    expect([from.most(), to.most()]).toEqual([7, 7])
  })

  test('goes on where it was ended, and twice is once', async () => {
    const [from, to] = [make(), make()]
    await crowd(from, 100)
    const stop = new AbortController()
    const ended = migrate(from, to, {
      batch: 10,
      signal: stop.signal,
      onProgress: ({ phase, done }) => {
        if (phase === 'copy' && done >= 130) stop.abort()
      },
    })
    await expect(ended).rejects.toMatchObject({
      code: 'migrate.refused',
      message: expect.stringContaining('ended as asked'),
    })
    expect(await to.values.get(CHECKPOINTS, 'default')).toEqual({
      version: 1,
      done: ['marks 42 registered'],
      at: { step: 'users 42', from: expect.any(String), items: 30 },
    })
    const seen: number[] = []
    const { verified, copied } = await migrate(from, to, {
      batch: 10,
      clock: at,
      onProgress: ({ phase, done }) => phase === 'copy' && seen.push(done),
    })
    expect({ verified, copied }).toEqual({ verified: true, copied: 70 })
    // What was done before counts.
    expect(seen[0]).toBeGreaterThanOrEqual(100)
    expect(await linesOf(to)).toEqual(await linesOf(from))
    await expect(migrate(from, to)).rejects.toThrow(`completed at ${new Date(at()).toISOString()}`)
    expect(await migrate(from, to, { again: true })).toMatchObject({ verified: true, copied: 0 })
    expect(await migrate(from, to, { resume: false })).toMatchObject({ verified: true, copied: 200 })
  })

  test('of what is written meanwhile copies the rest when it is run again', async () => {
    const [from, to] = [make(), make()]
    await crowd(from, 40)
    let wrote = false
    const first = await migrate(from, to, {
      batch: 10,
      async onProgress({ phase, step }) {
        if (wrote || phase !== 'copy' || !step.startsWith('users')) return
        wrote = true
        // Behind what was copied: somebody new is registered, somebody no longer is.
        void from.marks.put(42, 'registered', [{ key: userKey(999), mark: { since: NOW } }])
        void from.marks.remove(42, 'registered', [userKey(3)])
        void from.users.note(42, [{ key: userKey(1), at: NOW + 9000, counts: { tap: 1 } }])
      },
    })
    // The new ones are found when both sides are compared; who is gone is told, and left.
    expect(first.verified).toBe(true)
    expect(first.steps.find(({ step }) => step === 'marks 42 registered')).toMatchObject({
      extra: 1,
      count: 40,
    })
    const second = await migrate(from, to, { again: true, mirror: true })
    expect(second.steps.find(({ step }) => step === 'marks 42 registered')).toMatchObject({
      extra: 0,
      removed: 1,
    })
    expect(await linesOf(to)).toEqual(await linesOf(from))
  })

  test('while somebody writes all the time tells that it differs, and does not call it done', async () => {
    const [inner, to] = [make(), make()]
    await crowd(inner, 5)
    let count = 0
    const { users } = inner
    const busy: Storage['users'] = {
      get: users.get.bind(users),
      note: users.note.bind(users),
      patch: users.patch.bind(users),
      erase: users.erase.bind(users),
      async scan(...args) {
        const page = await users.scan(...args)
        await users.note(42, [{ key: userKey(1), at: NOW + count++, counts: { tap: 1 } }])
        return page
      },
    }
    const from = new Proxy(inner, {
      get: (of, name) => (name === 'users' ? busy : Reflect.get(of, name, of)),
    })
    const { verified, steps } = await migrate(from, to)
    expect([verified, ...steps.map((step) => step.verified)]).toEqual([false, true, false])
    expect(await migrate(inner, to)).toMatchObject({ verified: true })
  })

  test('replaces nobody’s data unasked', async () => {
    const [from, to] = [make(), make()]
    await stock(from)
    await to.marks.put(42, 'blocked', [{ key: userKey(99), mark: { since: 1 } }])
    await expect(migrate(from, to)).rejects.toMatchObject({
      code: 'migrate.refused',
      message: expect.stringContaining('marks 42 blocked already'),
    })
    expect(await linesOf(to)).toHaveLength(1)
    const merged = await migrate(from, to, { merge: true })
    expect(merged.verified).toBe(true)
    expect(merged.steps[0]).toMatchObject({ step: 'marks 42 blocked', count: 3, extra: 1 })
    expect(await to.marks.get(42, userKey(99), 'blocked')).toEqual({ since: 1 })
  })

  test('notices what the target does not keep as it was', async () => {
    const [from, inner] = [make(), make()]
    await stock(from)
    const { values } = inner
    const forgetful: Storage['values'] = {
      get: values.get.bind(values),
      remove: values.remove.bind(values),
      scan: values.scan.bind(values),
      // Keeps no end.
      put: (space, key, value) => values.put(space, key, value),
    }
    const to = new Proxy(inner, {
      get: (of, name) => (name === 'values' ? forgetful : Reflect.get(of, name, of)),
    })
    const { verified, steps } = await migrate(from, to)
    expect(verified).toBe(false)
    expect(steps.filter((step) => !step.verified).map(({ step }) => step)).toEqual(['values session'])
  })

  test('takes what it is told to from a storage that cannot tell what it keeps', async () => {
    const [inner, to] = [make(), make()]
    await stock(inner)
    const from = new Proxy(inner, {
      get: (of, name) => (name === 'archive' ? undefined : Reflect.get(of, name, of)),
    })
    await expect(migrate(from, to)).rejects.toMatchObject({ code: 'storage.unsupported' })
    const contents = { bots: [{ id: 42, marks: ['blocked'], users: true }], spaces: ['session'] }
    expect(await migrate(from, to, { contents })).toMatchObject({ verified: true, copied: 7 })
    await expect(migrate(make(), make(), { contents })).resolves.toMatchObject({ copied: 0 })
    await expect(migrate(inner, from)).rejects.toMatchObject({ code: 'migrate.refused' })
  })

  test('moves into any storage adapter of grammY, and out of it', async () => {
    const kept = new Map<string, KeptDocument>()
    const adapter: GrammyAdapter = {
      read: (key) => kept.get(key),
      write: (key, value) => void kept.set(key, value),
      delete: (key) => void kept.delete(key),
    }
    const [from, to] = [make(), make()]
    await stock(from)
    const between = fromGrammyStorage(adapter, { clock: at })
    expect(await migrate(from, between)).toMatchObject({ verified: true })
    await from.users.note(42, [{ key: userKey(7), at: NOW + 9000, counts: { message: 1 } }])
    await from.users.patch(42, userKey(7), { language: null, added: 1 })
    expect(await migrate(from, between, { again: true })).toMatchObject({ verified: true })
    const contents = await from.archive?.contents()
    if (contents === undefined) throw new Error('memory tells what it keeps')
    expect(await migrate(between, to, { contents })).toMatchObject({ verified: true })
    expect(await linesOf(to)).toEqual(await linesOf(from))
    await between.close()
  })

  test('is told when it is called wrongly, and of a checkpoint that is none', async () => {
    const [from, to] = [make(), make()]
    for (const wrong of [{ batch: 0 }, { batch: 1.5 }, { batch: 1001 }, { name: '' }]) {
      await expect(migrate(from, to, wrong)).rejects.toMatchObject({ code: 'option.invalid' })
    }
    await expect(migrate(from, from)).rejects.toMatchObject({ code: 'option.invalid' })
    await to.values.put(CHECKPOINTS, 'default', { version: 2 })
    await expect(migrate(from, to)).rejects.toMatchObject({ code: 'migrate.refused' })
  })

  test('moves whatever there is, in pages of any size, ended anywhere', async () => {
    const name = fc.stringMatching(/^[a-zA-Z_:{}]{1,12}$/)
    const mark = fc.record(
      { since: fc.integer({ min: 0, max: 1e13 }), reason: fc.string(), value: fc.jsonValue() },
      { requiredKeys: ['since'] },
    )
    const thing = fc.oneof(
      fc.record({ kind: fc.constant('mark' as const), name, id: fc.integer({ min: 1, max: 30 }), mark }),
      fc.record({ kind: fc.constant('user' as const), name, id: fc.integer({ min: 1, max: 30 }), mark }),
      fc.record({ kind: fc.constant('value' as const), name, id: fc.integer({ min: 1, max: 30 }), mark }),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(thing, { maxLength: 40 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 0, max: 40 }),
        async (things, batch, end) => {
          const [from, to] = [make(), make()]
          for (const { kind, name: called, id, mark: given } of things) {
            const key = subjectKey(id)
            if (kind === 'mark') await from.marks.put(id % 3, called, [{ key, mark: given }])
            else if (kind === 'user')
              await from.users.note(id % 3, [{ key, at: given.since, counts: { [called]: id } }])
            else await from.values.put(called, String(id), given.value ?? null)
          }
          const stop = new AbortController()
          let pages = 0
          const first = migrate(from, to, {
            batch,
            signal: stop.signal,
            onProgress: () => ++pages > end && stop.abort(),
          })
          await first.catch((error: { code?: string }) => expect(error.code).toBe('migrate.refused'))
          await migrate(from, to, { batch, again: true })
          expect(await linesOf(to)).toEqual(await linesOf(from))
        },
      ),
      { numRuns: 60 },
    )
  })
})
