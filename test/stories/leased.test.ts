import fc from 'fast-check'
import { sharedRedis } from '../servers/shared.js'
import { leasedStories, playLeased } from './leased-play.js'
import { hybridOverRedis, leasedOverFake } from './story-storages.js'

const { STORIES } = process.env

function staysInBounds(storeOf: Parameters<typeof playLeased>[1], stories: number): Promise<void> {
  const told = fc.asyncProperty(leasedStories, async (story) => {
    expect(await playLeased(story, storeOf)).toEqual([])
  })
  return fc.assert(told, { numRuns: Number(STORIES ?? stories), interruptAfterTimeLimit: 100_000 })
}

test('workers with leases admit no more than limits allow, and refuse only what is used up or held', () =>
  staysInBounds(leasedOverFake, 20))

test('also in front of Redis', async () => {
  const url = await sharedRedis()
  await staysInBounds((lease) => hybridOverRedis(url, lease), 3)
})
