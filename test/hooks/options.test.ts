import { desk } from '../sentinel/desk.js'
import { nothing, on, opened } from './hooked.js'

describe('options', () => {
  test('hooks may be given as options, one or several for each point, and are replaced as a whole', async () => {
    const log: string[] = []
    opened({
      hooks: {
        'before:block': () => void log.push('one'),
        allowed: [() => void log.push('two'), { name: 'three', run: () => void log.push('three') }],
      },
    })
    on.guard.hook('before:block', () => void log.push('own'))
    await on.says(1, 'a')
    expect(log.splice(0)).toEqual(['one', 'own', 'two', 'three'])
    on.guard.reconfigure({ throttle: '5/1m' })
    await on.says(1, 'b')
    expect(log.splice(0)).toEqual(['one', 'own', 'two', 'three'])
    on.guard.reconfigure({ hooks: { 'before:throttle': () => void log.push('other') } })
    await on.says(1, 'c')
    expect(log).toEqual(['own', 'other'])
  })

  test.each([
    [{ 'before:throtle': nothing }, 'hook.unknown', 'Did you mean "before:throttle"'],
    [{ 'hook.ran': nothing }, 'hook.unknown', 'Points: '],
    [{ __proto__: null, constructor: nothing }, 'hook.unknown', '"constructor"'],
    [{ denied: 'log' }, 'option.invalid', 'hooks.denied: "log" is not a hook'],
    [{ denied: [null] }, 'option.invalid', 'hooks.denied: null is not a hook'],
    [{ denied: { run: nothing, timout: 5 } }, 'option.unknown', 'Did you mean "timeout"'],
    [{ denied: { run: nothing, timeout: 'soon' } }, 'duration.invalid', 'hooks.denied.timeout'],
    [{ denied: { run: nothing, timeout: 0 } }, 'option.invalid', '1 ms or more'],
    [{ denied: { run: nothing, name: '' } }, 'option.invalid', 'not a name'],
    [{ denied: { kind: 'filter', when: true, hook: nothing } }, 'option.invalid', 'not a condition'],
  ])('%j is refused', (given, code, words) => {
    opened()
    const error = expect.objectContaining({ code, message: expect.stringContaining(words) })
    expect(() => desk({ hooks: given as never })).toThrow(error)
    for (const [point, hook] of Object.entries(given)) {
      const all: readonly unknown[] = Array.isArray(hook) ? hook : [hook]
      for (const one of all) expect(() => on.guard.hook(point as never, one as never)).toThrow(error)
    }
  })

  test('too many at once are refused, together with all other changes', async () => {
    opened({ throttle: '5/1m' })
    const denied = Array.from({ length: 1001 }, () => nothing)
    expect(() => on.guard.reconfigure({ throttle: '1/1m', hooks: { denied } })).toThrow('Add them once')
    on.guard.reconfigure({ once: false })
    await on.says(1, 'a', 'b')
    expect(on.reached).toEqual(['a', 'b'])
  })

  test('stay, in their order, if another option that is changed with them is refused', async () => {
    const log: string[] = []
    opened({ hooks: { allowed: () => void log.push('option') } })
    on.guard.hook('allowed', () => void log.push('own'))
    const throttle = Array.from({ length: 40 }, (_, index) => ({ name: `x${index}`, limit: '5/1m' as const }))
    const hooks = { allowed: () => void log.push('other') }
    expect(() => on.guard.reconfigure({ throttle, hooks })).toThrow('checks')
    await on.says(1, 'a')
    expect(log).toEqual(['option', 'own'])
  })

  test('hooks that are added with every update cause an error', () => {
    opened()
    for (let i = 0; i < 1000; i++) on.guard.hook('denied', () => undefined)
    expect(() => on.guard.hook('denied', () => undefined)).toThrow('Add them once')
  })
})
