import { expect, test } from '@jest/globals'
import { later } from '../../src/core/later.js'

test('a part is loaded once, when it is first requested', async () => {
  let loads = 0
  const part = later('guard.peek', async () => ({ number: ++loads }))
  expect(loads).toBe(0)
  expect(part.now).toBeUndefined()

  const [one, other] = await Promise.all([part.load(), part.load()])

  expect(one).toBe(other)
  expect(part.now).toBe(one)
  expect(await part.load()).toEqual({ number: 1 })
})

test('a part that could not be loaded rejects, and is loaded at the next request', async () => {
  const missing = new Error('Cannot find module')
  let isThere = false
  const part = later('guard.users', async () => {
    if (!isThere) throw missing
    return 'it'
  })

  await expect(part.load()).rejects.toMatchObject({
    code: 'module.failed',
    message: expect.stringContaining('guard.users: its part of grammy-sentinel could not be loaded'),
    cause: missing,
  })
  expect(part.now).toBeUndefined()

  isThere = true
  expect(await part.load()).toBe('it')
})
