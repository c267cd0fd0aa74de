import { sentinel } from '../src/index.js'

/* Values passed by untyped code. */

const untyped = (): Record<
  'on' | 'install' | 'outgoing' | 'webhook',
  (...given: readonly unknown[]) => unknown
> => sentinel() as never

test('an unknown event is refused, with a suggestion', () => {
  const guard = untyped()
  expect(() => guard.on('denyed', () => undefined)).toThrow(
    expect.objectContaining({
      code: 'option.unknown',
      message: expect.stringContaining(
        'guard.on: there is no event "denyed". Did you mean "denied"? Events: allowed, denied,',
      ),
    }),
  )
  for (const event of ['__proto__', 'toString', 7, undefined]) {
    expect(() => guard.on(event, () => undefined)).toThrow(
      expect.objectContaining({ code: 'option.unknown' }),
    )
  }
  expect(() => guard.on('denied', undefined)).toThrow(
    expect.objectContaining({ code: 'option.invalid', message: expect.stringContaining('Pass a function.') }),
  )
})

test('every event accepts listeners', () => {
  const guard = sentinel()
  const events = [
    'allowed',
    'denied',
    'shadow',
    'unknown',
    'membership',
    'blocked',
    'unblocked',
    'registered',
  ] as const
  for (const event of [...events, 'storage.down', 'limit.changed', 'error', 'warning'] as const) {
    guard.on(event, () => undefined)()
  }
})

test('a value that is not a bot is refused', () => {
  for (const given of [{}, undefined, null, 'token', { api: {} }]) {
    for (const method of ['install', 'outgoing', 'webhook'] as const) {
      expect(() => untyped()[method](given)).toThrow(
        expect.objectContaining({
          code: 'option.invalid',
          message: expect.stringContaining(`guard.${method}: `),
        }),
      )
    }
  }
})
