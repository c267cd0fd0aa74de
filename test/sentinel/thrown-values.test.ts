import type { SentinelOptions } from '../../src/index.js'
import { desk, says, tick } from './desk.js'

/* Code of the bot may throw any value. A value that cannot be shown as a text is reported like any other. */

const ALICE = 7

/** An error whose stack is a list of call sites, as `Error.prepareStackTrace` may make it. */
const structured = Object.assign(new Error('out of stock'), { stack: [{}] })
const unreadable = new Proxy(
  {},
  {
    get() {
      throw new Error('get')
    },
    getPrototypeOf() {
      throw new Error('getPrototypeOf')
    },
  },
)

describe.each<[string, unknown]>([
  ['an object without a prototype', Object.create(null)],
  ['an object that refuses to be read', unreadable],
  ['an error with a structured stack', structured],
])('%s', (_, thrown) => {
  const said: string[] = []
  const { error } = console
  beforeEach(() => {
    said.length = 0
    console.error = (...args: unknown[]) => said.push(args.join(' '))
  })
  afterEach(() => {
    console.error = error
  })

  const fails = (): never => {
    throw thrown
  }

  test.each<[string, SentinelOptions]>([
    ['a key', { throttle: { name: 'key', limit: '5/1m', key: fails } }],
    ['a hook', { hooks: { 'before:throttle': fails } }],
    ['a resolver', { auth: { registration: 'auto', resolve: fails } }],
    ['a deny function', { throttle: { limit: '1/1h', deny: fails } }],
  ])('thrown by %s reaches the console and not the bot', async (_where, options) => {
    const { guard, handle, quiet } = desk(options)
    for (const text of ['one', 'two']) await handle(says(ALICE, text))
    await quiet()
    await guard.close()
    expect(said).toEqual([expect.stringContaining('grammy-sentinel: error during')])
  })

  test('thrown by a listener reaches the console and not the bot', async () => {
    const { guard, says: say, reached } = desk()
    guard.on('allowed', fails)
    await say(ALICE, 'one')
    expect(reached).toEqual(['one'])
    expect(said).toEqual([expect.stringContaining('error during listener for allowed')])
  })

  test('thrown by the handlers of a burst keeps neither the next burst nor close() waiting', async () => {
    const {
      guard,
      says: say,
      time,
      reached,
    } = desk({ debounce: { mode: 'trailing', window: '1s' } }, (bot) => bot.use(fails))
    for (const text of ['one', 'two']) {
      await say(ALICE, text)
      time.advance(1000)
      for (let turn = 0; turn < 5; turn++) await tick()
    }
    expect(reached).toEqual(['one', 'two'])
    await guard.close()
    expect(said).toHaveLength(1)
  })
})
