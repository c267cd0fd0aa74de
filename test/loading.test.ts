import { jest } from '@jest/globals'
import type { SentinelOptions } from '../src/options.js'

/*
 * What few bots use is loaded when it is used. Here some of it is gone, as where a bundle was deployed without its smaller files.
 */

const GONE = [
  '../src/middleware/seats.js',
  '../src/middleware/resolver.js',
  '../src/middleware/transitions.js',
  '../src/middleware/inspection.js',
  '../src/policies/role-limits.js',
  '../src/settings/menu-of-chat.js',
]
for (const path of GONE) {
  jest.unstable_mockModule(path, () => {
    throw new Error(`Cannot find module '${path}'`)
  })
}
const { desk: make, joins } = await import('./sentinel-desk.js')

function stand(options: SentinelOptions = {}) {
  const desk = make(options)
  const told: string[] = []
  desk.guard.on('error', ({ during, error }) => {
    told.push(`${during}: ${(error as { code?: string }).code}`)
  })
  return { desk, told }
}

test('places that are missing are told, and updates are let in uncounted', async () => {
  const { desk, told } = stand({ concurrency: {} })
  await desk.says(7, 'one', 'two')
  expect(desk.reached).toEqual(['one', 'two'])
  expect(told).toEqual(['concurrency: module.failed', 'concurrency: module.failed'])
  await desk.guard.close()
})

test('a resolver that cannot be asked lets nobody in', async () => {
  const { desk, told } = stand({ auth: { registration: 'auto', resolve: () => true } })
  await desk.says(7, 'one')
  expect(desk.reached).toEqual([])
  expect(told).toEqual(['admit: module.failed'])
  await desk.guard.close()
})

test('what is said to listeners of memberships is missed, and updates are decided', async () => {
  const { desk, told } = stand()
  await desk.handle(joins(7))
  expect(desk.reached).toHaveLength(1)
  expect(told).toEqual(['observe: module.failed'])
  await desk.guard.close()
})

test('roles have the limits of the options', async () => {
  const { desk, told } = stand({ limits: true, throttle: '1/1m' })
  await desk.says(7, 'one', 'two')
  expect(desk.reached).toEqual(['one'])
  expect(new Set(told)).toEqual(new Set(['limits.roles: module.failed']))
  await desk.guard.close()
})

test('the menu does not come, and the bot goes on', async () => {
  const { desk, told } = stand({ settings: { notices: true } })
  await desk.says(7, '/sentinel', 'hello')
  await desk.quiet()
  expect(desk.reached).toEqual(['hello'])
  expect(told).toEqual(['settings.menu: module.failed'])
  await desk.guard.close()
})

test('who asks is told', async () => {
  const { desk } = stand()
  await expect(desk.guard.peek(7)).rejects.toMatchObject({ code: 'module.failed' })
  await desk.guard.close()
})
