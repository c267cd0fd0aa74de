import { type SentinelEvents, sentinel } from '../src/index.js'
import { EVENTS } from '../src/middleware/chain/event-names.js'
import type { Services } from '../src/middleware/services.js'

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

test.each(EVENTS)('a listener to %s hears it until it is removed', (name) => {
  const guard = sentinel()
  const event = name as keyof SentinelEvents
  const { events } = (guard as unknown as { services: Services }).services
  const heard: unknown[] = []
  const stop = guard.on(event, (told) => heard.push(told))
  const told = { about: name }
  events.tell(event, told as never)
  expect(heard).toEqual([told])
  stop()
  expect(events.heard(event)).toBe(false)
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
