import type { Mark } from '../../../src/storage/contract/storage.js'
import { memory } from '../../../src/storage/memory/memory.js'
import { FallbackMarks } from '../../../src/storage/resilient/fallback-marks.js'
import { Stage } from '../../middleware/rig.js'
import { ALICE, BOT, settled } from '../outage.js'

const MARK: Mark = { since: 1 }

test('a block that is made while an older answer is being copied stays in the copy', async () => {
  const time = new Stage()
  const { marks } = memory({ clock: time.clock })
  let isUp = true
  let made = (): void => undefined
  const copy = new FallbackMarks({
    // Both lists of the storage are empty.
    from: memory({ clock: time.clock }).marks,
    to: {
      get: (...args) => {
        queueMicrotask(() => made())
        return marks.get(...args)
      },
      of: (...args) => marks.of(...args),
      put: (...args) => marks.put(...args),
      remove: (...args) => marks.remove(...args),
      scan: (...args) => marks.scan(...args),
    },
    most: 10,
    clock: time.clock,
    steady: time.clock,
    timers: time.timers,
    isUp: () => isUp,
    bounded: async (work) => work(),
    isQueued: () => false,
    emptied: () => undefined,
    failed: (error) => {
      throw error
    },
  })
  copy.follow(['blocked'])
  copy.meet(BOT)
  await settled()
  made = () => {
    made = () => undefined
    // The storage has the block now, and goes down before it is read again.
    copy.write(BOT, 'blocked', [{ key: ALICE, mark: MARK }], [])
    copy.stale(BOT, 'blocked', [ALICE])
    isUp = false
    copy.stop()
  }
  copy.stale(BOT, 'blocked', [ALICE])
  await settled()
  expect(await marks.get(BOT, ALICE, 'blocked')).toEqual(MARK)
})
