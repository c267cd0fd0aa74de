import { debounce, type Guard, type SentinelOptions, throttle } from '../../src/index.js'
import type { GuardedContext } from '../middleware/rig.js'
import { type Desk, desk, says } from './desk.js'

/* Guards of a handler whose first update was under way while the options of their sentinel changed, or while it closed. */

const ALICE = 7
const open: Desk[] = []

afterEach(async () => {
  for (const at of open.splice(0)) await at.guard.close()
})

interface Meanwhile extends Desk {
  readonly handled: string[]
  /** Lets the pending update continue. */
  goOn(): void
}

/** A handler behind a session whose reading stays pending. */
function behindSession(guard: Guard<GuardedContext>, options: SentinelOptions = {}): Meanwhile {
  const handled: string[] = []
  let goOn = (): void => undefined
  let reading: Promise<void> | undefined = new Promise((done) => {
    goOn = () => {
      reading = undefined
      done()
    }
  })
  const at = desk({ throttle: '60/1m', debounce: false, ...options }, (bot) => {
    bot.use(async (_, next) => {
      await reading
      await next()
    })
    bot.on('message:text', guard, ({ msg }) => {
      handled.push(msg.text)
    })
  })
  open.push(at)
  return { ...at, handled, goOn: () => goOn() }
}

const ends: [string, (at: Meanwhile) => unknown][] = [
  ['other options', ({ guard }) => guard.reconfigure({ throttle: '40/1m' })],
  [
    'other options twice',
    ({ guard }) => {
      guard.reconfigure({ throttle: '40/1m' })
      guard.reconfigure({ throttle: '50/1m' })
    },
  ],
  ['close()', ({ guard }) => guard.close()],
]

test.each(ends)(
  'guards wired while options change hold back no update that nothing would handle: %s',
  async (_, change) => {
    const at = behindSession(debounce({ mode: 'trailing', window: '1s' }))
    const coming = at.handle(says(ALICE, 'order'))
    const changing = change(at)
    at.goOn()
    await coming
    await changing
    await at.guard.close()
    expect(at.handled).toEqual(['order'])
  },
)

test.each(ends.slice(0, 2))(
  'guards wired while options change are known to peek(): %s',
  async (_, change) => {
    const at = behindSession(throttle({ name: 'orders', limit: '2/1m' }))
    const coming = at.handle(says(ALICE, '1'))
    change(at)
    at.goOn()
    await coming
    expect(await at.guard.peek(ALICE, 'orders')).toMatchObject([{ remaining: 1 }])
    await at.says(ALICE, '2', '3')
    expect(at.handled).toEqual(['1', '2'])
    expect(await at.guard.peek(ALICE, 'orders')).toHaveLength(1)
  },
)

test('limits wired while options change are listed once if the current options already use them', async () => {
  const at = behindSession(throttle({ name: 'orders', limit: '3/1m' }))
  const warned: string[] = []
  at.guard.on('warning', ({ code }) => warned.push(code))
  const first = at.handle(says(ALICE, '1'))
  at.guard.reconfigure({ throttle: '40/1m' })
  const second = at.handle(says(ALICE, '2'))
  at.goOn()
  await Promise.all([second, first])
  expect(await at.guard.peek(ALICE, 'orders')).toMatchObject([{ remaining: 1 }])
  await at.says(ALICE, '3', '4')
  expect([at.handled.toSorted(), warned]).toEqual([['1', '2', '3'], []])
})
