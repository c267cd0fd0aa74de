import type { Composer } from 'grammy'
import {
  compose,
  debounce,
  fuse,
  type Guard,
  type SentinelOptions,
  subject,
  throttle,
} from '../../src/index.js'
import type { GuardedContext } from '../middleware/rig.js'
import { type Desk, desk } from '../sentinel/desk.js'

/* Guards that are evaluated together keep their limits after reconfigure(), even if peek() or reset() come in between. */

const ALICE = 7
const BOB = 8
const open: Desk[] = []

afterEach(async () => {
  for (const at of open.splice(0)) await at.guard.close()
})

interface Shop extends Desk {
  readonly warned: string[]
}

function shop(wire: (bot: Composer<GuardedContext>) => void, options: SentinelOptions = {}): Shop {
  const at = desk({ throttle: '1000/1m', ...options }, (bot) => wire(fuse(bot)))
  const warned: string[] = []
  at.guard.on('warning', ({ code }) => warned.push(code))
  at.guard.on('denied', () => undefined)
  open.push(at)
  return { ...at, warned }
}

const looks: [string, (at: Shop) => Promise<unknown>][] = [
  ['nothing', async () => undefined],
  ['peek()', (at) => at.guard.peek(ALICE)],
  ['peek() by name', (at) => at.guard.peek(ALICE, 'buys')],
  ['reset() of another user', (at) => at.guard.reset(BOB, 'buys')],
]

test.each(looks)(
  'limits of fused guards keep their counts after reconfigure(), where %s comes first',
  async (_, look) => {
    let bought = 0
    const at = shop((bot) => {
      const guards = [throttle({ name: 'buys', limit: '3/1m' }), throttle({ name: 'day', limit: '9/1d' })]
      bot.command('buy', ...guards, () => {
        bought++
      })
    })
    await at.says(ALICE, '/buy', '/buy', '/buy')
    at.guard.reconfigure({ throttle: '900/1m' })
    await look(at)
    await at.says(ALICE, '/buy', '/buy', '/buy')
    expect(bought).toBe(3)
    expect(at.warned).toEqual([])
  },
)

test('after repeated changes of options, each fused limit is listed once under its name', async () => {
  const at = shop((bot) => {
    const both = compose(throttle('30/1m'), throttle({ limit: '40/1m', scope: 'chat' }))
    bot.command('buy', both, debounce('1ms'), () => undefined)
  })
  const known = async (): Promise<string[]> => {
    const all = [...(await at.guard.peek(ALICE)), ...(await at.guard.peek(subject.chat(ALICE)))]
    return all.flatMap(({ at, name }) => (at === undefined ? [] : [`${at}: ${name}`]))
  }
  await at.says(ALICE, '/buy')
  const first = await known()
  expect(first).toContain('throttle 30/1m + throttle 40/1m: throttle 30/1m + throttle 40/1m~2')
  for (let times = 1; times <= 5; times++) {
    at.guard.reconfigure({ throttle: `${900 + times}/1m` })
    expect(await known()).toEqual(first)
    at.time.advance(5)
    await at.says(ALICE, '/buy')
    expect(await known()).toEqual(first)
  }
  expect(at.warned).toEqual([])
})

test('a fused guard that is used alone after reconfigure() is no longer listed with its former neighbours', async () => {
  const at = shop((bot) => {
    const shared: Guard<GuardedContext> = throttle('3/1m')
    bot.command('buy', shared, throttle('100/1m'), () => undefined)
    bot.command('sell').lazy(() => [shared, () => undefined])
  })
  const known = async (): Promise<string[]> => {
    const all = await at.guard.peek(ALICE)
    return all.map(({ name }) => name).filter((name) => /^throttle [\d/m]+(~\d+)?$/.test(name))
  }
  await at.says(ALICE, '/buy')
  at.guard.reconfigure({ throttle: '900/1m' })
  await at.says(ALICE, '/sell')
  expect(await known()).toEqual(['throttle 3/1m'])
  await at.says(ALICE, '/buy')
  expect(await known()).toEqual(['throttle 3/1m', 'throttle 100/1m'])
  expect(at.warned).toEqual([])
})
