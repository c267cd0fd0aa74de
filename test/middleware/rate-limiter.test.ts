import type { Context } from 'grammy'
import { Redis } from 'ioredis'
import {
  BurstyRateLimiter,
  RateLimiterMemory,
  RateLimiterRedis,
  RateLimiterUnion,
  RLWrapperBlackAndWhite,
} from 'rate-limiter-flexible'
import type { Denied } from '../../src/core/verdict.js'
import { auth } from '../../src/middleware/auth.js'
import { compose } from '../../src/middleware/compose.js'
import { Exemptions, type ExemptOptions } from '../../src/middleware/exempt/exemptions.js'
import type { Guard } from '../../src/middleware/guard.js'
import { Chain, newTally } from '../../src/middleware/pipeline.js'
import {
  fromRateLimiter,
  type PointsLimiter,
  type RateLimiterOptions,
} from '../../src/middleware/rate-limiter.js'
import { createServices } from '../../src/middleware/services.js'
import { throttle } from '../../src/middleware/throttle.js'
import { freshName, sharedRedis } from '../servers/shared.js'
import { type Rig, rig, Stage } from './rig.js'

let on: Rig
const ends: (() => unknown)[] = []
afterEach(async () => {
  await on?.stop()
  for (const end of ends.splice(0)) await end()
})

const time = new Stage()
let denied: Denied[] = []
let failures: string[] = []
let shadows: string[] = []
beforeEach(() => {
  denied = []
  failures = []
  shadows = []
})

/** Starts the bot with these guards as one, and records their events. */
async function begun(...guards: Guard[]): Promise<void> {
  await exempting(() => ({}), ...guards)
}

/** The same, with exemptions. */
async function exempting(whom: (stage: Rig) => ExemptOptions, ...guards: Guard[]): Promise<void> {
  let chain: Chain | undefined
  on = await rig((ctx, next) => chain?.run(ctx, next))
  const exempt = whom(on)
  const services = createServices({ clock: time.clock, timers: time.timers, exempt })
  services.events.on('denied', ({ verdict }) => denied.push(verdict))
  services.events.on('error', ({ error, during }) => failures.push(`${during}: ${(error as Error).message}`))
  services.events.on('shadow', ({ verdict: { guard, limit } }) => shadows.push(`${guard}.${limit}`))
  const definitions = guards.flatMap((guard) => guard.definitions)
  chain = new Chain(services, definitions, 'main', new Exemptions(exempt, undefined), newTally())
  on.start()
}

const says = async (...texts: string[]): Promise<void> => {
  for (const text of texts) await on.alice.to(on.account).sends(text)
  await on.settled()
}

/** A limiter whose calls are recorded. */
function noted(
  limiter: PointsLimiter,
): PointsLimiter & { readonly calls: [key: string, points: number | undefined][]; said: unknown } {
  const calls: [string, number | undefined][] = []
  const over = {
    calls,
    said: undefined as unknown,
    async consume(key: string, points?: number): Promise<unknown> {
      calls.push([key, points])
      try {
        return await limiter.consume(key, points)
      } catch (error) {
        over.said = error
        throw error
      }
    },
  }
  return over
}

describe('a guard made from a limiter', () => {
  test('admits updates while the limiter has points, and refuses for as long as it says', async () => {
    const limiter = noted(new RateLimiterMemory({ points: 2, duration: 60 }))
    await begun(fromRateLimiter(limiter))
    await says('1', '2', '3')
    expect(on.reached).toEqual(['1', '2'])
    const wait = (limiter.said as { msBeforeNext: number }).msBeforeNext
    expect(denied).toEqual([
      {
        allowed: false,
        guard: 'rate-limiter',
        limit: 'user',
        reason: 'limited',
        cause: 'check',
        retryAfterMs: wait,
      },
    ])
    expect(wait).toBeGreaterThan(50_000)
    await on.alice.hears('Slow down, please. Try again in 1m.')
    expect(limiter.calls).toEqual(Array(3).fill([`${on.account.id}:u${on.alice.id}`, 1]))
    await on.bob.to(on.account).sends('I am another')
    await on.settled()
    expect(on.reached).toEqual(['1', '2', 'I am another'])
  })

  test('can be used as middleware on its own', async () => {
    on = await rig(fromRateLimiter(new RateLimiterMemory({ points: 1, duration: 60 })))
    on.start()
    await says('1', '2')
    expect(on.reached).toEqual(['1'])
  })

  test('sends each user a notice once per interval', async () => {
    await begun(fromRateLimiter(new RateLimiterMemory({ points: 1, duration: 60 }), { noticeEvery: '10s' }))
    const toldTo = (chat: number) =>
      on.telegram.calls('sendMessage').filter(({ params }) => params.chat_id === chat).length
    await says('1', '2', '3', '4')
    await on.alice.hears(/Slow down/)
    expect(toldTo(on.alice.id)).toBe(1)
    time.advance(10_000)
    await says('5', '6')
    await on.bob.to(on.account).sends('1')
    await on.bob.to(on.account).sends('2')
    await on.bob.hears(/Не так быстро/)
    expect(toldTo(on.alice.id)).toBe(2)
  })

  test.each<[string, RateLimiterOptions, string[]]>([
    ['of a chat', { scope: 'chat' }, ['c']],
    ['of all', { scope: 'global' }, ['g']],
  ])('counts %s', async (_, options, [kind]) => {
    const limiter = noted(new RateLimiterMemory({ points: 9, duration: 60 }))
    await begun(fromRateLimiter(limiter, options))
    await says('1')
    expect(limiter.calls[0]?.[0]).toMatch(new RegExp(`^${on.account.id}:${kind}`))
  })

  test('counts by a custom key unchanged, and skips updates without one', async () => {
    const limiter = noted(new RateLimiterMemory({ points: 9, duration: 60 }))
    const key = ({ chatId }: { chatId: number | undefined }, ctx: Context) =>
      ctx.msg?.text === 'free' ? undefined : `tenant ${chatId === undefined}`
    await begun(fromRateLimiter(limiter, { name: 'tenant', key }))
    await says('1', 'free')
    expect(limiter.calls).toEqual([['tenant false', 1]])
    expect(on.reached).toEqual(['1', 'free'])
  })

  test('counts only the commands and activities of its options', async () => {
    const limiter = noted(new RateLimiterMemory({ points: 1, duration: 60 }))
    await begun(fromRateLimiter(limiter, { commands: ['/upload'], name: 'uploads' }))
    await says('/upload', 'hello', '/UPLOAD', '/help')
    expect(on.reached).toEqual(['/upload', 'hello', '/help'])
    expect(denied.map(({ limit }) => limit)).toEqual(['uploads'])
    expect(limiter.calls).toHaveLength(2)
  })

  test('consumes what an update costs: whole points, and none for what is free', async () => {
    const limiter = noted(new RateLimiterMemory({ points: 10, duration: 60 }))
    const costs: Record<string, number> = { half: 0.5, free: 0, dear: 7, wrong: Number.NaN }
    const cost = (_: unknown, ctx: Context) => {
      if (ctx.msg?.text === 'throws') throw new Error('of mine')
      return costs[ctx.msg?.text ?? ''] ?? 1
    }
    await begun(fromRateLimiter(limiter, { cost }))
    await says('half', 'free', 'dear', 'throws', 'wrong', 'dear')
    expect(limiter.calls.map(([, points]) => points)).toEqual([1, 7, 1, 7])
    expect(on.reached).toEqual(['half', 'free', 'dear', 'throws', 'wrong'])
    expect(failures).toEqual([
      'rate-limiter.user: of mine',
      expect.stringContaining('rate-limiter.user: fromRateLimiter.cost: NaN is not a number of points'),
    ])
  })

  test('consumes nothing for updates that other guards refuse, wherever those are', async () => {
    const limiter = noted(new RateLimiterMemory({ points: 99, duration: 60 }))
    await begun(
      fromRateLimiter(limiter),
      throttle({ limit: '2/1h', deny: 'silent' }),
      auth({ gate: ['vip'] }),
    )
    await says('/vip', '1', '2', '3', '4')
    expect(limiter.calls).toHaveLength(2)
    expect(denied.map(({ guard }) => guard)).toEqual(['auth', 'throttle', 'throttle'])
  })

  test('refunds what other limits charged for updates that it refuses', async () => {
    const limiter = new RateLimiterMemory({ points: 1, duration: 60 })
    await begun(
      throttle({ limit: '3/1h', deny: 'silent' }),
      fromRateLimiter(limiter, { commands: ['upload'] }),
    )
    await says('/upload', '/upload', '/upload', '/upload', 'hello', 'world', 'over')
    expect(on.reached).toEqual(['/upload', 'hello', 'world'])
    expect(denied.map(({ guard }) => guard)).toEqual([...Array(3).fill('rate-limiter'), 'throttle'])
  })

  test('counts an album once, and decides its parts like the first', async () => {
    const limiter = noted(new RateLimiterMemory({ points: 1, duration: 60 }))
    await begun(fromRateLimiter(limiter))
    await on.alice.to(on.account).sendsAlbum(['1.jpg', '2.jpg', '3.jpg'])
    await on.alice.to(on.account).sendsAlbum(['4.jpg', '5.jpg'])
    await on.settled()
    expect(limiter.calls).toHaveLength(2)
    expect(on.reached).toHaveLength(3)
    expect(denied).toHaveLength(2)
  })

  test('asks the limiter again for a part of an album with another cost than the first', async () => {
    const limiter = noted(new RateLimiterMemory({ points: 9, duration: 60 }))
    await begun(fromRateLimiter(limiter, { cost: (_, { msg }) => (msg?.caption === undefined ? 5 : 1) }))
    await on.alice.to(on.account).sendsAlbum(['1.jpg', '2.jpg', '3.jpg'], { caption: 'cheap' })
    await on.settled()
    expect(limiter.calls.map(([, points]) => points)).toEqual([1, 5])
  })

  test('does not ask the limiter for exempt users', async () => {
    const limiter = noted(new RateLimiterMemory({ points: 1, duration: 60 }))
    await exempting(({ alice }) => ({ owner: alice.id }), fromRateLimiter(limiter))
    await says('1', '2', '3')
    await on.bob.to(on.account).sends('4')
    await on.settled()
    expect(on.reached).toEqual(['1', '2', '3', '4'])
    expect(limiter.calls).toHaveLength(1)
  })

  test('in shadow consumes and reports, but refuses nobody', async () => {
    const limiter = noted(new RateLimiterMemory({ points: 1, duration: 60 }))
    await begun(fromRateLimiter(limiter, { shadow: true, name: 'trial' }))
    await says('1', '2', '3')
    expect(on.reached).toEqual(['1', '2', '3'])
    expect(shadows).toEqual(['rate-limiter.trial', 'rate-limiter.trial'])
    expect(limiter.calls).toHaveLength(3)
    expect(denied).toEqual([])
  })
})

describe('a limiter that fails', () => {
  const failing: [string, PointsLimiter, string][] = [
    ['rejects with an error', { consume: () => Promise.reject(new Error('away')) }, 'away'],
    [
      'throws',
      {
        consume: () => {
          throw new Error('at once')
        },
      },
      'at once',
    ],
    ['rejects with an object that is no error', { consume: () => Promise.reject({ message: 'odd' }) }, 'odd'],
    [
      'rejects with a circular object',
      {
        consume: () => {
          const response = { message: 'round', request: {} }
          response.request = { response }
          return Promise.reject(response)
        },
      },
      'round',
    ],
    [
      'rejects with an object whose getter throws',
      {
        consume: () =>
          Promise.reject({
            message: 'shut',
            get body(): never {
              throw new Error('read twice')
            },
          }),
      },
      'shut',
    ],
  ]

  test.each(failing)('%s, is reported and admits updates', async (_, limiter, message) => {
    await begun(fromRateLimiter(limiter))
    await says('1', '2')
    expect(on.reached).toEqual(['1', '2'])
    expect(failures).toEqual(Array(2).fill(`rate-limiter.user: ${message}`))
  })

  test.each(failing)('%s, and refuses updates with onFailure: closed', async (_, limiter, message) => {
    await begun(fromRateLimiter(limiter, { onFailure: 'closed' }))
    await says('1', '2')
    expect(on.reached).toEqual([])
    expect(denied[0]).toMatchObject({
      reason: 'unavailable',
      guard: 'rate-limiter',
      retryAfterMs: Number.POSITIVE_INFINITY,
    })
    expect(failures).toEqual(Array(2).fill(`rate-limiter.user: ${message}`))
    await on.alice.hears('The bot is busy. Please try again in a moment.')
  })

  test('takes too long, so updates do not wait for it, and its late answer is ignored', async () => {
    let refuse = (_: unknown): void => undefined
    let asked = (): void => undefined
    const asking = new Promise<void>((done) => {
      asked = done
    })
    const limiter: PointsLimiter = {
      consume: () =>
        new Promise((_, reject) => {
          refuse = reject
          asked()
        }),
    }
    await begun(fromRateLimiter(limiter, { timeout: '1s' }))
    const said = on.alice.to(on.account).sends('1')
    await asking
    time.advance(1000)
    await said
    await on.settled()
    expect(on.reached).toEqual(['1'])
    expect(failures).toEqual(['rate-limiter.user: fromRateLimiter: no answer within 1000 ms.'])
    refuse({ msBeforeNext: 5 })
    refuse(new Error('twice'))
    await new Promise((done) => setImmediate(done))
    expect([denied, failures.length]).toEqual([[], 1])
  })
})

describe('the answer of a rate-limiter-flexible limiter', () => {
  const waits = () => denied.map(({ retryAfterMs }) => retryAfterMs)

  test('of a burst', async () => {
    const bursty = new BurstyRateLimiter(
      new RateLimiterMemory({ points: 1, duration: 1000 }),
      new RateLimiterMemory({ keyPrefix: 'burst', points: 1, duration: 2000 }),
    )
    await begun(fromRateLimiter(bursty as unknown as PointsLimiter))
    await says('1', '2', '3')
    expect(on.reached).toEqual(['1', '2'])
    expect(waits()[0]).toBeGreaterThan(900_000)
    expect(waits()[0]).toBeLessThanOrEqual(1_000_000)
  })

  test('of a union: the longest wait', async () => {
    const union = new RateLimiterUnion(
      new RateLimiterMemory({ keyPrefix: 'short', points: 1, duration: 10 }),
      new RateLimiterMemory({ keyPrefix: 'long', points: 1, duration: 1000 }),
    )
    await begun(fromRateLimiter(union))
    await says('1', '2')
    expect(on.reached).toEqual(['1'])
    expect(waits()[0]).toBeGreaterThan(900_000)
  })

  test('of a union of unions', async () => {
    const said = {
      day: { minutes: { msBeforeNext: 5000 }, hours: { msBeforeNext: 70_000 } },
      other: { msBeforeNext: 1 },
    }
    await begun(fromRateLimiter({ consume: () => Promise.reject(said) }))
    await says('1')
    expect(waits()).toEqual([70_000])
  })

  test('of a black list and of an endless duration: waiting does not help', async () => {
    const limiter = new RateLimiterMemory({ points: 1, duration: 0 })
    await begun(fromRateLimiter(limiter))
    await says('1', '2')
    expect(waits()).toEqual([Number.POSITIVE_INFINITY])
    await on.stop()
    const wrapped = new RLWrapperBlackAndWhite({ limiter, blackList: [], isBlackListed: () => true })
    denied = []
    await begun(fromRateLimiter(wrapped as unknown as PointsLimiter))
    await says('1')
    expect(waits()).toEqual([Number.POSITIVE_INFINITY])
  })

  test('of one that is on a server', async () => {
    const storeClient = new Redis(await sharedRedis(), { maxRetriesPerRequest: 0, retryStrategy: () => null })
    storeClient.on('error', () => undefined)
    ends.push(() => storeClient.disconnect())
    const limiter = new RateLimiterRedis({ storeClient, keyPrefix: freshName(), points: 2, duration: 60 })
    await begun(fromRateLimiter(limiter, { timeout: '5s' }))
    await says('1', '2', '3')
    expect(on.reached).toEqual(['1', '2'])
    expect(waits()[0]).toBeGreaterThan(50_000)
    storeClient.disconnect()
    await says('4')
    expect(on.reached).toEqual(['1', '2', '4'])
    expect(failures).toHaveLength(1)
  })
})

test('invalid limiters and options are refused', () => {
  expect(() => fromRateLimiter({} as PointsLimiter)).toThrow(/no consume\(\)/)
  const limiter = new RateLimiterMemory({ points: 1, duration: 1 })
  const refused: [object, RegExp][] = [
    [{ cost: 0.5 }, /fromRateLimiter\.cost/],
    [{ key: () => 'k' }, /fromRateLimiter\.name/],
    [{ key: () => 'k', name: 'k', scope: 'chat' }, /fromRateLimiter\.scope/],
    [{ onFailure: 'local' }, /fromRateLimiter\.onFailure/],
    [{ limits: 1 }, /limits/],
  ]
  for (const [options, complaint] of refused)
    expect(() => fromRateLimiter(limiter, options)).toThrow(complaint)
  expect(() => compose(fromRateLimiter(limiter), fromRateLimiter(limiter))).toThrow(
    expect.objectContaining({ code: 'limit.duplicate' }),
  )
})
