import fc from 'fast-check'
import { playExact } from './exact-play.js'
import { exactStories } from './exact-stories.js'
import type { StoreOf } from './story-storages.js'

const { STORIES } = process.env

/** Fails with the shortest story in which a bot differs from the model, if there is one. */
export function agreesWithModel(storeOf: StoreOf, stories: number): Promise<void> {
  const told = fc.asyncProperty(exactStories, async (story) => {
    expect(await playExact(story, storeOf)).toEqual([])
  })
  // Shrinking takes time, too; a failure must be printed before jest gives up.
  return fc.assert(told, { numRuns: Number(STORIES ?? stories), interruptAfterTimeLimit: 100_000 })
}
