import { type BeforeEvent, type Hook, hooks } from '../../src/index.js'
import { desk, says, tick } from '../sentinel/desk.js'
import { on, opened, pass } from './hooked.js'

describe('combined', () => {
  test('parallel runs all hooks at once, waits for all, and the first veto in the list counts', async () => {
    opened()
    const log: string[] = []
    const step = (name: string, ticks: number, veto?: string) => async () => {
      log.push(`${name} begins`)
      for (let i = 0; i < ticks; i++) await tick()
      log.push(`${name} ends`)
      return { ...(veto !== undefined && { veto }), enrich: { [name]: true, last: name } }
    }
    let enriched: object = {}
    let note: string | undefined
    on.guard.on('denied', ({ verdict }) => {
      note = verdict.note
    })
    on.guard.hook('before:block', hooks.parallel(step('a', 3, 'of a'), step('b', 1, 'of b'), step('c', 2)))
    on.guard.hook('before:block', (told) => {
      enriched = { ...told.enriched }
    })
    await on.says(1, 'x')
    expect(log).toEqual(['a begins', 'b begins', 'c begins', 'b ends', 'c ends', 'a ends'])
    expect(note).toBe('of a')
    expect(enriched).toEqual({})
  })

  test.each<[string, () => Promise<void> | undefined]>([
    ['at once', () => undefined],
    ['later', tick],
  ])(
    'data of several hooks are merged in the order of the list, whatever their form: %s',
    async (_, wait) => {
      opened()
      const seen: unknown[] = []
      const brings =
        (of: string, ...names: readonly string[]): Hook<BeforeEvent> =>
        ({ enriched }) => {
          seen.push([of, { ...enriched }])
          const answer = { enrich: Object.fromEntries(names.map((name) => [name, of])) }
          const waited = wait()
          return waited === undefined ? answer : waited.then(() => answer)
        }
      on.guard.hook(
        'before:block',
        hooks.parallel(
          brings('a', 'x', 'y', 'z'),
          hooks.chain(
            brings('b', 'x', 'y'),
            hooks.parallel(
              brings('c', 'y'),
              hooks.filter(() => true, brings('d', 'v')),
            ),
          ),
          hooks.chain(brings('e', 'v', 'w'), hooks.once(brings('f', 'w'))),
        ),
      )
      on.guard.hook('before:throttle', brings('last'))
      await on.says(1, 'a')
      const brought = Object.fromEntries(seen as [string, object][])
      // Hooks of a chain see the data of the hooks before them.
      expect(brought.c).toMatchObject({ x: 'b', y: 'b' })
      expect(brought.f).toMatchObject({ w: 'e' })
      expect(brought.last).toEqual({ x: 'b', y: 'c', z: 'a', v: 'e', w: 'f' })
    },
  )

  test('once runs only the first time, filter only if its condition holds', async () => {
    opened()
    const log: string[] = []
    on.guard.hook(
      'before:block',
      hooks.chain(
        hooks.once(({ facts }) => void log.push(`once ${facts.updateId > 0}`)),
        hooks.filter(
          ({ facts }) => facts.inGroup,
          () => ({ veto: 'not in groups' }),
        ),
      ),
    )
    await on.says(1, 'a')
    await on.handle(says(1, 'b', { group: true }))
    expect(log).toEqual(['once true'])
    expect(on.reached).toEqual(['a'])
  })

  test('once runs once for a sentinel, whatever its options, and wherever it is added', async () => {
    const log: string[] = []
    const greet = hooks.once(() => void log.push('once'))
    opened({ hooks: { allowed: greet } })
    await on.says(1, 'a')
    on.guard.reconfigure({ throttle: '50/1m' })
    await on.says(1, 'b')
    on.guard.reconfigure({ hooks: { allowed: [hooks.chain(greet), () => void log.push('beside')] } })
    on.guard.hook('before:block', greet)()
    on.guard.hook('before:block', greet)
    await on.says(1, 'c')
    expect(log).toEqual(['once', 'beside'])
    const other = desk({ hooks: { allowed: greet } })
    await other.says(1, 'a')
    expect(log).toEqual(['once', 'beside', 'once'])
    await other.guard.close()
  })

  test('a condition that throws does not hold, and is reported', async () => {
    opened()
    const told: string[] = []
    on.guard.on('error', ({ during }) => told.push(during))
    const isOdd = (): boolean => {
      throw new Error('boom')
    }
    on.guard.hook(
      'before:block',
      hooks.filter(isOdd, () => ({ veto: 'no' })),
    )
    await on.says(1, 'a')
    expect(on.reached).toEqual(['a'])
    expect(told).toEqual(['hook isOdd'])
  })

  test('each function in a chain has its own timeout, and one that hangs stops no other', async () => {
    opened()
    const log: string[] = []
    on.guard.on('error', () => undefined)
    const hangs = (): Promise<never> => new Promise(() => undefined)
    on.guard.hook(
      'before:block',
      hooks.chain(
        hangs,
        hooks.parallel(hangs, () => void log.push('beside')),
        () => void log.push('after'),
      ),
    )
    await pass(on.says(1, 'a'))
    expect(log).toEqual(['beside', 'after'])
    expect(on.reached).toEqual(['a'])
  })
})
