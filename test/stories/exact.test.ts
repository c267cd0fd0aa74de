import fc from 'fast-check'
import { sharedRedis } from '../servers/shared.js'
import { playExact } from './exact-play.js'
import { exactStories } from './exact-steps.js'
import { inMemory, onRedis, type StoreOf } from './story-storages.js'

/*
 * Random stories of whole bots beside a model of what the documentation says: blocks, registration, redeliveries, debounce, albums,
 * limits of all algorithms and scopes, penalties, roles, limits set at run time, guards in front of handlers, refunds. Every verdict,
 * wait and rest must agree. A failure prints the shortest story that differs, with its seed and path.
 */

const { STORIES } = process.env

function play(storeOf: StoreOf, stories: number): Promise<void> {
  const told = fc.asyncProperty(exactStories, async (story) => {
    expect(await playExact(story, storeOf)).toEqual([])
  })
  // Shrinking takes time, too; a failure must be printed before jest gives up.
  return fc.assert(told, { numRuns: Number(STORIES ?? stories), interruptAfterTimeLimit: 100_000 })
}

test('verdicts, waits and rests are those of the model', () => play(inMemory, 130))

test('also on Redis', async () => play(onRedis(await sharedRedis()), 20))
