import fc from 'fast-check'
import { sharedRedis } from '../servers/shared.js'
import { playFlow } from './flow-play.js'
import { flowStories } from './flow-steps.js'
import { failing, inMemory, onRedis, type StoreOf } from './story-storages.js'

/*
 * Random stories of whole bots: one or two workers with random options, people who write, tap and send albums, handlers that are slow
 * or fail, redeliveries, blocks, changed options. Whatever happens, the promises in `flow-invariants.ts` hold, and no
 * promise is rejected unhandled, which jest counts as a failure. A failure prints the shortest story that fails, with its seed and path.
 */

const { STORIES } = process.env

function play(storeOf: StoreOf, stories: number): Promise<void> {
  const told = fc.asyncProperty(flowStories, async (story) => {
    expect(await playFlow(story, storeOf)).toEqual([])
  })
  // Shrinking takes time, too; a failure must be printed before jest gives up.
  return fc.assert(told, { numRuns: Number(STORIES ?? stories), interruptAfterTimeLimit: 100_000 })
}

test('every update has one verdict, and is handled once if it is admitted', () => play(inMemory, 40))

test('also while the storage fails', () => play(failing, 12))

test('also on Redis', async () => play(onRedis(await sharedRedis()), 4))
