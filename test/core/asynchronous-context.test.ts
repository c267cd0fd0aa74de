import { AsyncLocalStorage } from 'node:async_hooks'
import { inThisContext } from '../../src/core/asynchronous-context.js'
import { onWorkers } from '../on-workers.js'

const requests = new AsyncLocalStorage<string>()

/** Runs a function from one request that another request has made, and returns in which it ran and when. */
async function ran(): Promise<string[]> {
  const seen: string[] = []
  const within = requests.run('first', () => inThisContext<void>())
  await requests.run('second', async () => {
    const done = within(() => void seen.push(`ran in ${requests.getStore()}`))
    seen.push('caller returned')
    await done
  })
  return seen
}

test('a function runs in the context in which it was bound, after its caller has returned', async () => {
  expect(await ran()).toEqual(['caller returned', 'ran in first'])
})

describe('where requests end with what they wait for', () => {
  onWorkers()

  test('it runs in the context of its caller', async () => {
    expect(await ran()).toEqual(['caller returned', 'ran in second'])
  })
})

test('what it throws reaches its caller', async () => {
  const failure = new Error('out of stock')
  await expect(
    inThisContext<void>()(() => {
      throw failure
    }),
  ).rejects.toBe(failure)
})
