import fc from 'fast-check'
import type { Storage } from '../../src/storage/storage.js'
import { replay } from './replay.js'
import { schedules } from './schedules.js'

export function conformance(
  name: string,
  make: (clock: () => number) => Storage | Promise<Storage>,
  runs = 4000,
): void {
  describe(`${name} decides as the reference does`, () => {
    test('over random plans and schedules', async () => {
      await fc.assert(
        fc.asyncProperty(schedules, async (schedule) => {
          const difference = await replay(schedule, make)
          if (difference !== undefined) throw new Error(difference)
        }),
        { numRuns: runs },
      )
    }, 120_000)
  })
}
