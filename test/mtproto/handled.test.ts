import type { ITelegramStorageProvider, tl } from '@mtcute/core'
import fc from 'fast-check'
import { Handled, keyOf, MOST_AHEAD } from '../../src/mtproto/client/updates/handled.js'
import { Progress } from '../../src/mtproto/client/updates/progress.js'
import { Stage } from '../middleware/rig.js'

type Kv = ITelegramStorageProvider['kv']

const BOX = 5
const LIST = `handled_ahead:${BOX}`
const turn = (): Promise<void> => new Promise((done) => setImmediate(done))

/** A disk that survives the processes that write on it. */
class Disk implements Pick<Kv, 'get' | 'set' | 'delete'> {
  readonly kept = new Map<string, Uint8Array>()
  writes = 0

  get kv(): Kv {
    return this as unknown as Kv
  }
  async get(key: string): Promise<Uint8Array | null> {
    return this.kept.get(key) ?? null
  }
  async set(key: string, value: Uint8Array): Promise<void> {
    this.writes++
    this.kept.set(key, value)
  }
  async delete(key: string): Promise<void> {
    this.kept.delete(key)
  }
}

/** A process that handles updates of one box, numbered by `pts`, until it is killed. */
class Process {
  readonly time = new Stage()
  readonly open = new Map<number, () => void>()
  readonly began: number[] = []
  readonly #handled: Handled
  readonly #progress: Progress
  #told: number
  #dead = false

  constructor(private readonly disk: Disk) {
    const failed = (error: unknown): void => {
      throw error
    }
    const alive = this.#whileAlive(disk)
    this.#handled = new Handled(alive, failed, this.time.timers)
    this.#progress = new Progress(failed, this.#handled, this.time.timers)
    this.#told = this.state
  }

  /** The saved position. */
  get state(): number {
    return this.disk.kept.get('pts')?.[0] ?? 0
  }

  /** Delivers the next update. It stays open until end() is called, or is skipped if it was handled before. */
  async tell(): Promise<void> {
    const pts = ++this.#told
    const key = keyOf({ _: 'updateEditMessage', pts } as tl.TypeUpdate) as number
    const done = this.#progress.begin(BOX, key)
    if (await this.#handled.before(BOX, key)) done()
    else {
      this.began.push(pts)
      this.open.set(pts, done)
    }
  }

  end(pts: number): void {
    this.open.get(pts)?.()
    this.open.delete(pts)
  }

  async reach(): Promise<void> {
    const told = this.#told
    await this.#progress.reached(BOX, 'pts', async () => {
      if (!this.#dead) this.disk.kept.set('pts', Uint8Array.of(told))
    })
  }

  /** Waits long enough for everything due to be written. */
  async settle(): Promise<void> {
    this.time.advance(1000)
    await this.#progress.settled()
  }

  die(): void {
    this.#dead = true
  }

  /** Drops writes of a killed process. */
  #whileAlive(disk: Disk): Kv {
    return {
      get: (key: string) => disk.get(key),
      set: async (key: string, value: Uint8Array) => (this.#dead ? undefined : disk.set(key, value)),
      delete: async (key: string) => (this.#dead ? undefined : disk.delete(key)),
    } as unknown as Kv
  }
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ do: 'tell' as const, which: 0 }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('end' as const), which: fc.nat(20) }) },
  { weight: 3, arbitrary: fc.constant({ do: 'reach' as const, which: 0 }) },
  { weight: 2, arbitrary: fc.constant({ do: 'settle' as const, which: 0 }) },
  { weight: 1, arbitrary: fc.constant({ do: 'die' as const, which: 0 }) },
)

test('over random crashes every update is handled, and recorded ones only once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 100 }), async (steps) => {
      const disk = new Disk()
      const ended = new Set<number>()
      const noted = new Set<number>()
      /** Updates that the current process has handled since it started. */
      let fresh: number[] = []
      let most = 0
      let living = new Process(disk)
      const tell = async (): Promise<void> => {
        const { length } = living.began
        await living.tell()
        const began = living.began[length]
        if (began === undefined) return
        expect([began, noted.has(began)]).toEqual([began, false])
        most = Math.max(most, began)
      }
      const end = (pts: number): void => {
        living.end(pts)
        ended.add(pts)
        fresh.push(pts)
      }
      for (const { do: what, which } of steps) {
        const open = [...living.open.keys()]
        if (what === 'tell') await tell()
        else if (what === 'end' && open.length > 0) end(open[which % open.length] as number)
        else if (what === 'reach') await living.reach()
        else if (what === 'settle') {
          await living.settle()
          for (const pts of fresh) noted.add(pts)
        } else if (what === 'die') {
          living.die()
          living = new Process(disk)
          fresh = []
        }
      }
      // The last process lives until every update was delivered and handled.
      const last = most + 1
      while (most < last) await tell()
      for (const pts of living.open.keys()) end(pts)
      await living.reach()
      await living.settle()
      for (let pts = 1; pts <= most; pts++) expect([pts, ended.has(pts)]).toEqual([pts, true])
      expect(living.state).toBe(most)
      expect(disk.kept.has(LIST)).toBe(false)
    }),
  )
})

test('nothing is recorded if the position is saved in time, and otherwise only a limited number of updates', async () => {
  const disk = new Disk()
  const time = new Stage()
  const handled = new Handled(disk.kv, () => undefined, time.timers)
  const progress = new Progress(() => undefined, handled, time.timers)
  for (let n = 1; n <= 50; n++) {
    progress.begin(BOX, n * 4)()
    await progress.reached(BOX, 'pts', async () => undefined)
    time.advance(100)
  }
  await progress.settled()
  expect(disk.writes).toBe(0)

  progress.begin(BOX, 4)
  for (let n = 1; n <= MOST_AHEAD + 10; n++) progress.begin(BOX, n * 4)()
  time.advance(1000)
  await progress.settled()
  expect([disk.writes, disk.kept.get(LIST)?.length]).toEqual([1, MOST_AHEAD * 8])
})

test('updates keep their order while the record of an earlier process is loaded', async () => {
  const disk = new Disk()
  await new Handled(disk.kv, () => undefined).note(BOX, [8])
  const time = new Stage()
  const next = new Handled(disk.kv, () => undefined, time.timers)
  const order: number[] = []
  const come = async (key: number): Promise<void> => {
    const was = next.before(BOX, key)
    if (typeof was === 'boolean' ? !was : !(await was)) order.push(key)
  }
  const all = [come(4), come(8), come(12)]
  for (let key = 16; key < 40; key += 4) {
    await Promise.resolve()
    all.push(come(key))
  }
  time.advance(0)
  await turn()
  time.advance(0)
  expect(next.before(BOX, 40)).toBe(false)
  await Promise.all(all)
  expect(order).toEqual([4, 12, 16, 20, 24, 28, 32, 36])
})

test('if the record cannot be loaded, updates are delivered again, and the error is reported', async () => {
  const failures: unknown[] = []
  const broken = { get: () => Promise.reject(new Error('away')) } as unknown as Kv
  const handled = new Handled(broken, (error) => failures.push(error))
  expect(await handled.before(BOX, 4)).toBe(false)
  expect(failures).toEqual([new Error('away')])
})

test.each<[object, number | undefined]>([
  [{ _: 'updateNewChannelMessage', pts: 9, message: { id: 3 } }, 12],
  [{ _: 'updateNewMessage', pts: 0, message: { id: 3 } }, 12],
  [{ _: 'updateEditChannelMessage', pts: 9, message: { id: 3 } }, 37],
  [{ _: 'updateEditMessage', pts: 0, message: { id: 3 } }, undefined],
  [{ _: 'updateBotStopped', qts: 9 }, 38],
  [{ _: 'updateBotStopped', qts: 0 }, undefined],
  [{ _: 'updateBotCallbackQuery' }, undefined],
])('an update is identified by its number: %j', (update, key) => {
  expect(keyOf(update as tl.TypeUpdate)).toBe(key)
})
