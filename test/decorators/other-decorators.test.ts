import { compose, requireRole, throttle } from '../../src/index.js'
import { COMPILERS, compiled } from './compilers.js'

type Marks = typeof import('./marks.js')

describe.each(Object.entries(COMPILERS))('decorators of other libraries, compiled by %s', (_, compiler) => {
  test('are found on a guarded method, whether they are above or below its guards', () => {
    const { Desk, rolesOf } = compiled<Marks>('test/decorators/marks.ts', compiler)
    const { ban } = Desk.prototype
    expect(rolesOf(ban)).toEqual(['admin', 'owner'])
    expect(ban).toHaveProperty('help', 'Bans a user.')
  })
})

describe('properties of a function', () => {
  test('are found on the guarded function, also if they are set later', () => {
    const report = Object.assign(() => undefined, { help: 'Reports a user.' })
    const guarded = throttle('1/1m')(requireRole('customer')(report))
    expect(guarded).toHaveProperty('help', 'Reports a user.')
    report.help = 'Reports a message.'
    expect(guarded).toHaveProperty('help', 'Reports a message.')
  })

  test('do not make a guarded guard pass for the guard inside it', () => {
    const role = requireRole('customer')
    const both = throttle('1/1m')(role as never) as unknown as typeof role
    expect(() => compose(both)).toThrow()
  })

  test('may be named as those that a guarded function has itself', () => {
    const guarded = Object.assign(
      throttle('1/1m')(() => undefined),
      { definitions: ['ban'], bind: undefined },
    )
    expect(guarded).toHaveProperty('definitions', ['ban'])
  })

  test('do not make a guarded async function pass for one, because it returns nothing if the update is refused', () => {
    const guarded = throttle('1/1m')(async () => undefined)
    expect(guarded.constructor).toBe(Function)
    expect(Object.prototype.toString.call(guarded)).toBe('[object Function]')
    expect(Object.keys(guarded)).toEqual([])
  })
})
