import { jest } from '@jest/globals'
import { memory } from '../../src/storage/memory/memory.js'

jest.unstable_mockModule('fast-check', () => {
  throw Object.assign(new Error("Cannot find package 'fast-check'"), { code: 'ERR_MODULE_NOT_FOUND' })
})
const { storageConformance } = await import('../../src/testing/conformance.js')

test('without fast-check the suite says what its random schedules need, and runs the rest', async () => {
  const make = (clock: () => number) => memory({ clock })
  const all = storageConformance({ make })
  const random = all.filter(({ name }) => name.includes('random'))
  expect(random).toHaveLength(1)
  await expect(random[0]?.run()).rejects.toMatchObject({
    code: 'peer.missing',
    message: expect.stringMatching(/schedules: 0 turns them off.* Run `npm install fast-check@/),
  })
  const rest = storageConformance({ make, schedules: 0 })
  expect(rest).toHaveLength(all.length - 1)
  for (const { run } of rest) await run()
})
