import { Stage } from './middleware/rig.js'
import { desk } from './sentinel-desk.js'
import { faulty } from './storage/faulty.js'
import { settled } from './storage/outage.js'

const BOB = 8

const from = (first: number, length: number) => Array.from({ length }, (_, index) => first + index)

/** A sentinel on a storage elsewhere that can be made to fail, and a clock that is moved by hand. */
function elsewhere() {
  const time = new Stage()
  const { clock, timers } = time
  const server = faulty(clock, timers)
  const made = desk({ storage: server, clock, timers })
  for (const event of ['storage.down', 'storage.up', 'error'] as const) made.guard.on(event, () => undefined)
  return { ...made, server, clock: time }
}

describe('many of whom a storage misses more than is kept for it', () => {
  test.each(['block', 'unblock'] as const)('%s says that not all was kept', async (verb) => {
    const { guard, says, server } = elsewhere()
    await says(BOB, 'met')
    const many = from(1000, 12_000)
    if (verb === 'unblock') await guard.block(many)
    server.fault = 'refuses'
    await expect(guard[verb](many)).rejects.toMatchObject({
      code: 'storage.unavailable',
      message: expect.stringContaining('Too many writes wait for it already'),
    })
    expect((await guard.health()).storage.circuit?.dropped.marks).toBe(2000)
    await expect(guard[verb](many.slice(0, 5000))).rejects.toMatchObject({
      message: expect.stringContaining('is written when the storage is back'),
    })
    await guard.close()
  })
})

test('a server that fails once is not asked for all the rest at the same moment', async () => {
  const { guard, says, server } = elsewhere()
  await says(BOB, 'met')
  const many = from(1000, 20_000)
  await guard.block(many)
  const { get, remove } = server.kept.marks
  let under = 0
  let most = 0
  let removals = 0
  const counted = async <T>(work: () => T): Promise<Awaited<T>> => {
    most = Math.max(most, ++under)
    await settled()
    under--
    return await work()
  }
  Object.assign(server.kept.marks, {
    get: (...args: Parameters<typeof get>) => counted(() => get.apply(server.kept.marks, args)),
    remove: (...args: Parameters<typeof remove>) =>
      counted(() => {
        if (++removals === 3) throw new Error('one hiccup')
        return remove.apply(server.kept.marks, args)
      }),
  })
  await expect(guard.unblock(many)).rejects.toMatchObject({ code: 'storage.unavailable' })
  expect(removals).toBe(200)
  // Ten portions of a hundred, beside what it missed, which is written once more.
  expect(most).toBeLessThan(2000)
  await guard.close()
})
