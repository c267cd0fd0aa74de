import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import type { Judge } from '../../../src/core/check.js'
import { SentinelError } from '../../../src/core/errors.js'
import { peerMissing } from '../../../src/core/peer.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { failover } from '../../../src/storage/failover.js'
import { memory } from '../../../src/storage/memory/memory.js'
import { resilient } from '../../../src/storage/resilient.js'
import { sqlite } from '../../../src/storage/sqlite/index.js'
import { Stage } from '../../middleware/rig.js'
import { desk } from '../../sentinel/desk.js'
import { ALICE as ASKING, askOf, BOT, bucket, isAdmitted, planOf, settled } from '../outage.js'

const ALICE = 7
const LISTED = 8

/** A remote storage whose calls all fail in the same way. */
function failing(error: () => unknown, more: Partial<Storage> = {}): Storage {
  const kept = memory()
  const fail = async (): Promise<never> => {
    throw error()
  }
  return {
    remote: true,
    kind: 'redis',
    prepare: fail,
    marks: { get: fail, of: fail, put: fail, remove: fail, scan: fail },
    users: { get: fail, note: fail, patch: fail, scan: fail, erase: fail },
    values: { get: fail, put: fail, remove: fail, scan: fail },
    sessions: (options) => kept.sessions(options),
    watch: fail,
    reset: fail,
    health: async () => ({ ok: false, kind: 'redis' }),
    close: () => kept.close(),
    ...more,
  }
}

const missing = (): SentinelError => peerMissing('redis', ['ioredis'], new Error('Cannot find package'))

/** A sentinel on such a storage, and its events. */
function stand(storage: Storage) {
  const time = new Stage()
  const one = desk({
    clock: time.clock,
    timers: time.timers,
    storage,
    throttle: '3/1m',
    block: { list: [LISTED] },
  })
  const downs: unknown[] = []
  one.guard.on('storage.down', (event) => downs.push(event))
  one.guard.on('error', () => undefined)
  return { ...one, downs, time }
}

describe('a storage whose driver is not installed', () => {
  test('counts as down: guards decide by onFailure, and the error says what to install', async () => {
    const { guard, says, reached, downs } = stand(failing(missing))
    await settled()
    const message = expect.stringContaining('npm install ioredis@')
    expect(downs).toEqual([{ kind: 'redis', reason: 'peer.missing', message }])
    await says(LISTED, 'listed')
    await says(ALICE, '1', '2', '3', 'over')
    expect(reached).toEqual(['1', '2', '3'])
    expect(await guard.health()).toMatchObject({
      ok: false,
      storage: { ok: false, kind: 'redis', circuit: { state: 'open', reason: 'peer.missing', message } },
    })
  })
})

test('failover() skips a storage without its driver', async () => {
  const time = new Stage()
  const { clock, timers } = time
  // A driver may be looked up only with the first decision, as that of sqlite.
  const judge: Judge = {
    evaluate: async () => Promise.reject(missing()),
    peek: async () => Promise.reject(missing()),
    settle: () => undefined,
  }
  for (const first of [failing(missing), failing(missing, { prepare: async () => judge })]) {
    const storage = failover([first, memory({ clock })], { clock, timers })
    const one = await storage.prepare(planOf(bucket(2)))
    const decided = [await one.evaluate(askOf()), await one.evaluate(askOf()), await one.evaluate(askOf())]
    expect(decided.map(isAdmitted)).toEqual([true, true, false])
    expect((await storage.health()).storages?.[0]).toMatchObject({
      kind: 'redis',
      circuit: { reason: 'peer.missing' },
    })
    await Promise.allSettled([storage.close()])
  }
})

test('a plan that the storage will never accept is decided in memory, which is reported', async () => {
  const { clock, timers } = new Stage()
  const refusing = failing(() => new SentinelError('plan.invalid', 'redis: too much for one script.'))
  const storage = resilient(refusing, { clock, timers })
  const told: unknown[] = []
  ;(storage as Storage & { observe(tell: (condition: unknown) => void): unknown }).observe((condition) =>
    told.push(condition),
  )
  const judge = await storage.prepare(planOf(bucket(1)))
  expect(isAdmitted(await judge.evaluate(askOf()))).toBe(true)
  expect(isAdmitted(await judge.evaluate(askOf()))).toBe(false)
  expect(told).toContainEqual(
    expect.objectContaining({ is: 'failed', during: 'storage.prepare', error: expect.any(SentinelError) }),
  )
  await storage.close()
})

describe('the reason why a storage is down', () => {
  let folder: string
  const { getBuiltinModule } = process
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sentinel-told-'))
    // A SQLite that opens files, on every version of Node.
    process.getBuiltinModule = ((name: string) =>
      name === 'node:sqlite' ? { DatabaseSync: Database } : getBuiltinModule(name)) as never
  })
  afterEach(() => {
    process.getBuiltinModule = getBuiltinModule
    rmSync(folder, { recursive: true })
  })

  test.each([
    ['a folder that is not there', 'nowhere/bot.db', 'SQLITE_CANTOPEN', /Is the path right/],
    ['a file of something else', 'photo.jpg', 'SQLITE_NOTADB', /is not a database/],
  ])(
    '%s: its kind, code and message are in the event, on the console, in health() and in rejections',
    async (_, path, reason, words) => {
      writeFileSync(join(folder, 'photo.jpg'), 'x'.repeat(5000))
      const warned: string[] = []
      const { warn } = console
      console.warn = (line: string) => warned.push(line)
      try {
        const silent = desk({ storage: sqlite(join(folder, path)) })
        await settled()
        expect(warned).toEqual([
          expect.stringMatching(`^grammy-sentinel: the storage .sqlite. is down: ${reason}[.] sqlite: `),
        ])
        await silent.guard.close()
      } finally {
        console.warn = warn
      }
      const { guard, says, reached, downs } = stand(sqlite(join(folder, path)))
      await settled()
      const message = expect.stringMatching(words)
      expect(downs).toEqual([{ kind: 'sqlite', reason, message }])
      await says(LISTED, 'listed')
      await says(ALICE, '1', '2', '3', 'over')
      expect(reached).toEqual(['1', '2', '3'])
      expect((await guard.health()).storage).toMatchObject({
        ok: false,
        kind: 'sqlite',
        circuit: { reason, message },
      })
      const blocking = guard.block(9)
      await expect(blocking).rejects.toMatchObject({
        code: 'storage.unavailable',
        message: expect.stringContaining(reason),
        cause: { code: 'storage.failed', message },
      })
      await guard.close()
    },
  )

  test('is still reported after failed probes, and updated by them', async () => {
    const time = new Stage()
    const { clock, timers } = time
    let failed = () => new SentinelError('storage.failed', 'redis: connect ECONNREFUSED 127.0.0.1:6399')
    const storage = resilient(
      failing(() => failed()),
      { clock, timers },
    )
    await storage.prepare(planOf(bucket(1)))
    const told = async () => {
      for (let spell = 0; spell < 20; spell++) {
        time.advance(100)
        await settled()
      }
      return (await storage.health()).circuit
    }
    expect(await told()).toMatchObject({ state: 'open', reason: 'ECONNREFUSED' })
    // It can be reached now, and fails for another reason.
    failed = () => new SentinelError('storage.permission', 'redis: WRONGPASS invalid username-password pair')
    expect(await told()).toMatchObject({
      reason: 'storage.permission',
      message: expect.stringContaining('WRONGPASS'),
    })
    await Promise.allSettled([storage.close()])
  })

  test('contains no password, no written data and no text of a client', async () => {
    const errors = [
      () => new SentinelError('storage.failed', 'redis: redis://bot:hunter2@10.0.0.1 is gone'),
      () =>
        new SentinelError(
          'storage.failed',
          'postgres: invalid input syntax for type json: "hunter2" (22P02).',
        ),
      () => new Error('hunter2'),
    ]
    for (const error of errors) {
      const { clock, timers } = new Stage()
      const storage = resilient(failing(error), { clock, timers })
      await storage.prepare(planOf(bucket(1)))
      const putting = Promise.resolve(
        storage.marks.put(BOT, 'blocked', [{ key: ASKING, mark: { since: 0 } }]),
      )
      const refusal = await putting.catch((refused: Error) => refused)
      expect(
        JSON.stringify([String(refusal), String((refusal as Error).cause), await storage.health()]),
      ).not.toContain('hunter2')
      await Promise.allSettled([storage.close()])
    }
  })
})
