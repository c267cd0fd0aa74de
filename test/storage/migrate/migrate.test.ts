import fc from 'fast-check'
import Database from 'libsql'
import { subjectKey, userKey } from '../../../src/core/subject.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import type { GrammyAdapter, KeptDocument } from '../../../src/storage/grammy/documents.js'
import { fromGrammyStorage } from '../../../src/storage/grammy-storage.js'
import { memory } from '../../../src/storage/memory/memory.js'
import { CHECKPOINTS } from '../../../src/storage/migrate/checkpoint.js'
import { type MigrateOptions, type MigrationProgress, migrate } from '../../../src/storage/migrate.js'
import { sqlite } from '../../../src/storage/sqlite/index.js'
import { crowd, linesOf, NOW, stock } from './stock.js'

const at = (): number => NOW + 10_000

function make(): Storage {
  return memory({ clock: at })
}

/** A storage, and the largest number of entries that one call read or wrote. */
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
  test('moves everything, and compares it', async () => {
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

  test('reports progress by phase, and ends each at its total', async () => {
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

  test('holds one page at a time in memory', async () => {
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

  test('resumes where it was stopped, and running it twice changes nothing', async () => {
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
      message: expect.stringContaining('stopped on request'),
    })
    expect(await to.values.get(CHECKPOINTS, 'default')).toEqual({
      version: 1,
      kinds: ['marks 42 registered', 'users 42'],
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
    // Entries copied before are included in the count.
    expect(seen[0]).toBeGreaterThanOrEqual(100)
    expect(await linesOf(to)).toEqual(await linesOf(from))
    await expect(migrate(from, to)).rejects.toThrow(`completed at ${new Date(at()).toISOString()}`)
    expect(await migrate(from, to, { again: true })).toMatchObject({ verified: true, copied: 0 })
    expect(await migrate(from, to, { resume: false })).toMatchObject({ verified: true, copied: 200 })
  })

  test('copies what was written meanwhile when it is run again', async () => {
    const [from, to] = [make(), make()]
    await crowd(from, 40)
    let wrote = false
    const first = await migrate(from, to, {
      batch: 10,
      async onProgress({ phase, step }) {
        if (wrote || phase !== 'copy' || !step.startsWith('users')) return
        wrote = true
        // In steps that have already been copied: one user is registered, another one is unregistered.
        void from.marks.put(42, 'registered', [{ key: userKey(999), mark: { since: NOW } }])
        void from.marks.remove(42, 'registered', [userKey(3)])
        void from.users.note(42, [{ key: userKey(1), at: NOW + 9000, counts: { tap: 1 } }])
      },
    })
    // The new entries are found when both sides are compared; removed ones are reported, and stay.
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

  test('reports differences if the source keeps changing, and does not complete', async () => {
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

  test('overwrites no data unless requested', async () => {
    const [from, to] = [make(), make()]
    await stock(from)
    await to.marks.put(42, 'blocked', [{ key: userKey(99), mark: { since: 1 } }])
    await expect(migrate(from, to)).rejects.toMatchObject({
      code: 'migrate.refused',
      message: expect.stringContaining('it already has marks 42 blocked'),
    })
    expect(await linesOf(to)).toHaveLength(1)
    const merged = await migrate(from, to, { merge: true })
    expect(merged.verified).toBe(true)
    expect(merged.steps[0]).toMatchObject({ step: 'marks 42 blocked', count: 3, extra: 1 })
    expect(await to.marks.get(42, userKey(99), 'blocked')).toEqual({ since: 1 })
  })

  test('notices data that the target does not store exactly', async () => {
    const [from, inner] = [make(), make()]
    await stock(from)
    const { values } = inner
    const forgetful: Storage['values'] = {
      get: values.get.bind(values),
      remove: values.remove.bind(values),
      scan: values.scan.bind(values),
      // Does not store expiry times.
      put: (space, key, value) => values.put(space, key, value),
    }
    const to = new Proxy(inner, {
      get: (of, name) => (name === 'values' ? forgetful : Reflect.get(of, name, of)),
    })
    const { verified, steps } = await migrate(from, to)
    expect(verified).toBe(false)
    expect(steps.filter((step) => !step.verified).map(({ step }) => step)).toEqual(['values session'])
  })

  test('moves the given contents from a storage without an archive', async () => {
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

  test('refuses wrong options, and an invalid checkpoint', async () => {
    const [from, to] = [make(), make()]
    for (const wrong of [{ batch: 0 }, { batch: 1.5 }, { batch: 1001 }, { name: '' }]) {
      await expect(migrate(from, to, wrong)).rejects.toMatchObject({ code: 'option.invalid' })
    }
    await expect(migrate(from, from)).rejects.toMatchObject({ code: 'option.invalid' })
    await to.values.put(CHECKPOINTS, 'default', { version: 2 })
    await expect(migrate(from, to)).rejects.toMatchObject({
      code: 'migrate.refused',
      message: expect.stringContaining('resume: false'),
    })
    await stock(from)
    expect(await migrate(from, to, { resume: false })).toMatchObject({ verified: true })
    expect(await linesOf(to)).toEqual(await linesOf(from))
    await expect(migrate(from, to)).rejects.toThrow('completed at')
  })

  test('with mirror deletes the last entry of a kind, too, if the source no longer has that kind', async () => {
    const [from, to] = [make(), make()]
    const key = userKey(7)
    await from.marks.put(42, 'blocked', [{ key, mark: { since: 1 } }])
    await from.marks.put(42, 'a role of Ünï', [{ key, mark: { since: 1 } }])
    await from.users.note(42, [{ key, at: NOW, counts: { tap: 1 } }])
    await from.values.put('session', '1', { a: 1 })
    await from.values.put('draft of\nmine', '1', { a: 1 })
    // A bot that is not part of this migration.
    await to.marks.put(43, 'blocked', [{ key, mark: { since: 1 } }])
    await migrate(from, to)
    await from.marks.remove(42, 'blocked', [key])
    await from.marks.remove(42, 'a role of Ünï', [key])
    await from.users.erase(42, key)
    await from.values.remove('draft of\nmine', '1')
    const gone = ['marks 42 a role of Ünï', 'marks 42 blocked', 'users 42', 'values draft of\nmine']
    const changed = async (options: MigrateOptions) => {
      const { verified, steps } = await migrate(from, to, { again: true, ...options })
      const own = steps.filter(({ extra, removed }) => extra + removed > 0)
      return { verified, own: own.map(({ step, extra, removed }) => [step, extra, removed]).sort() }
    }
    expect(await changed({})).toEqual({ verified: true, own: gone.map((step) => [step, 1, 0]) })
    expect(await changed({ resume: false })).toEqual({
      verified: true,
      own: gone.map((step) => [step, 1, 0]),
    })
    expect(await changed({ mirror: true })).toEqual({ verified: true, own: gone.map((step) => [step, 0, 1]) })
    expect(await to.marks.get(43, key, 'blocked')).toEqual({ since: 1 })
    await to.marks.remove(43, 'blocked', [key])
    expect(await linesOf(to)).toEqual(await linesOf(from))
    // Kinds that were added later are compared, too.
    await from.marks.put(42, 'late', [{ key, mark: { since: 1 } }])
    await migrate(from, to, { again: true })
    await from.marks.remove(42, 'late', [key])
    expect(await changed({ mirror: true })).toEqual({ verified: true, own: [['marks 42 late', 0, 1]] })
  })

  test('deletes nothing if the source is empty, which is probably a mistake', async () => {
    const [from, to] = [make(), make()]
    await stock(from)
    await migrate(from, to)
    const before = await linesOf(to)
    const { copied, steps } = await migrate(make(), to, { again: true, mirror: true })
    expect(copied + steps.reduce((sum, { removed, count }) => sum + removed + count, 0)).toBe(0)
    expect(steps.reduce((sum, { extra }) => sum + extra, 0)).toBe(before.length)
    expect(await linesOf(to)).toEqual(before)
  })

  test('can be killed as soon as the first page is written', async () => {
    const [from, to] = [make(), make()]
    await crowd(from, 30)
    let isDead = false
    const dying = new Proxy(to, {
      get(of, name) {
        if (name === 'marks') {
          const { marks } = of
          return {
            scan: marks.scan.bind(marks),
            async put(...args: Parameters<typeof marks.put>) {
              await marks.put(...args)
              isDead = true
            },
          }
        }
        if (name === 'values') {
          const { values } = of
          return {
            get: values.get.bind(values),
            async put(...args: Parameters<typeof values.put>) {
              if (isDead) throw new Error('killed')
              await values.put(...args)
            },
          }
        }
        return Reflect.get(of, name, of)
      },
    })
    await expect(migrate(from, dying, { batch: 10 })).rejects.toThrow('killed')
    expect((await to.marks.scan(42, 'registered')).entries).toHaveLength(10)
    expect(await migrate(from, to, { batch: 10 })).toMatchObject({ verified: true, copied: 60 })
    expect(await linesOf(to)).toEqual(await linesOf(from))
  })

  test('finds entries of the target after pages of lapsed ones', async () => {
    const kept = new Map<string, KeptDocument>()
    let now = NOW
    const adapter: GrammyAdapter = {
      read: (key) => kept.get(key),
      write: (key, value) => void kept.set(key, value),
      delete: (key) => void kept.delete(key),
    }
    const [from, to] = [make(), fromGrammyStorage(adapter, { clock: () => now })]
    const people = Array.from({ length: 12 }, (_, index) => userKey(index + 1))
    await from.marks.put(
      42,
      'blocked',
      people.map((key) => ({ key, mark: { since: 1, reason: 'theirs' } })),
    )
    await to.marks.put(
      42,
      'blocked',
      people.map((key) => ({ key, mark: { since: 1, until: NOW + 1000 } })),
    )
    // The last one of the index: all pages before it are empty once the others have expired.
    const { entries } = await to.marks.scan(42, 'blocked')
    const last = entries.at(-1)?.key as number
    await to.marks.put(42, 'blocked', [{ key: last, mark: { since: 1, reason: 'mine' } }])
    now = NOW + 5000
    await expect(migrate(from, to, { batch: 2 })).rejects.toThrow('it already has marks 42 blocked')
    expect((await to.marks.get(42, last, 'blocked'))?.reason).toBe('mine')
    await to.close()
  })

  test('treats a lone surrogate as equal to its replacement character', async () => {
    const from = make()
    const to = sqlite(new Database(':memory:'), { clock: at })
    await from.marks.put(42, 'blocked', [
      { key: userKey(7), mark: { since: 1, reason: 'buy 🍕 now'.slice(0, 5) } },
    ])
    expect(await migrate(from, to)).toMatchObject({ verified: true, copied: 1 })
    expect((await to.marks.get(42, userKey(7), 'blocked'))?.reason).toBe('buy \ufffd')
    await to.close()
  })

  test('moves random contents, in pages of any size, interrupted anywhere', async () => {
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
