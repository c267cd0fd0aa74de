import { DEFAULTS, fromEnv, layer, readOptions } from '../../src/options/index.js'
import { sentinel } from '../../src/sentinel.js'
import { memory } from '../../src/storage/memory/memory.js'

describe('defaults', () => {
  test('have the documented values', () => {
    expect(readOptions()).toEqual({
      block: {},
      once: {},
      auth: false,
      throttle: { limit: { amount: 60, per: '1m', burst: 30 } },
      debounce: { window: '500ms', on: ['tap'] },
      concurrency: false,
      membership: true,
      users: false,
      limits: false,
      outgoing: false,
      settings: false,
      exempt: {},
      notices: {},
      shadow: false,
    })
    expect(readOptions()).toEqual(DEFAULTS)
  })

  test('are merged object by object; limits and lists are replaced as a whole', () => {
    expect(readOptions({ throttle: '20/1m' }).throttle).toEqual({ limit: '20/1m' })
    expect(readOptions({ throttle: { scope: 'chat' } }).throttle).toEqual({
      limit: { amount: 60, per: '1m', burst: 30 },
      scope: 'chat',
    })
    // The burst of the default would let thirty through at once.
    expect(readOptions({ throttle: { amount: 5, per: '10s' } }).throttle).toEqual({
      limit: { amount: 5, per: '10s' },
    })
    expect(readOptions({ debounce: '1s' }).debounce).toEqual({ window: '1s', on: ['tap'] })
    expect(readOptions({ debounce: { on: ['message'] } }).debounce).toEqual({
      window: '500ms',
      on: ['message'],
    })
    const limits = [{ limit: '5/1s' }, { name: 'day', limit: '900/1d' }] as const
    expect(readOptions({ throttle: limits }).throttle).toEqual(limits)
    const day = { name: 'day', limit: '9/1d' } as const
    const short = ['1/s', day] as const
    expect(readOptions({ throttle: short }).throttle).toEqual([{ limit: '1/s' }, day])
    expect(
      fromEnv({
        SENTINEL__THROTTLE__0: '1/s',
        SENTINEL__THROTTLE__1__NAME: 'day',
        SENTINEL__THROTTLE__1__LIMIT: '9/1d',
      }),
    ).toEqual({ throttle: short })
    expect(() => sentinel({ throttle: short })).not.toThrow()
  })

  test('of debounce are dropped for the trailing mode, which gathers no taps', () => {
    expect(readOptions({ debounce: { mode: 'trailing', window: '2s' } }).debounce).toEqual({
      mode: 'trailing',
      window: '2s',
    })
  })

  test('are replaced by false, and used for undefined', () => {
    const off = readOptions({ block: false, once: false, throttle: false, debounce: false })
    expect(off).toMatchObject({ block: false, once: false, throttle: false, debounce: false })
    expect(readOptions({ throttle: undefined, shadow: undefined })).toEqual(DEFAULTS)
  })
})

describe('options after reading', () => {
  test('are deeply frozen, except for objects of the user', () => {
    const storage = memory()
    const timers = { after: () => () => undefined }
    const list = [1, 2]
    const given = { storage, timers, block: { list }, throttle: [{ limit: '1/s' }] } as const
    const read = readOptions(given)
    const open: string[] = []
    const look = (value: unknown, path: string): void => {
      if (typeof value !== 'object' || value === null || value === storage || value === timers) return
      if (!Object.isFrozen(value)) open.push(path)
      for (const [key, held] of Object.entries(value)) look(held, `${path}.${key}`)
    }
    look(read, '')
    look(DEFAULTS, 'defaults')
    expect(open).toEqual([])
    expect([Object.isFrozen(storage), Object.isFrozen(timers), Object.isFrozen(list)]).toEqual([
      false,
      false,
      false,
    ])
    expect(read.storage).toBe(storage)
    expect(read.timers).toBe(timers)
  })

  test('can be layered and read again', () => {
    const first = readOptions({ throttle: { scope: 'chat' }, notices: { budget: '3/1s' } })
    expect(first.notices.budget).toEqual({ amount: 3, per: 1000 })
    expect(readOptions(first)).toEqual(first)
    const second = readOptions(layer(first, { throttle: '20/1m', shadow: true }))
    expect(second).toEqual({ ...first, throttle: { scope: 'chat', limit: '20/1m' }, shadow: true })
  })
})
