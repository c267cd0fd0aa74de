import fc from 'fast-check'
import type { Context } from 'grammy'
import type { Facts } from '../../src/core/facts.js'
import { parseLimit } from '../../src/core/limit.js'
import { type Key, keySubject, userKey } from '../../src/core/subject.js'
import {
  type AdaptOptions,
  definePolicy,
  type LimitChangedEvent,
  memory,
  policy,
  type SentinelOptions,
  throttle,
} from '../../src/index.js'
import { createServices } from '../../src/middleware/services.js'
import { adaptOptions, readAdapt } from '../../src/middleware/throttle/adapt.js'
import { adaptLimit } from '../../src/middleware/throttle/adapt-limit.js'
import { Conduct, MOST_ACTORS } from '../../src/middleware/throttle/conduct.js'
import { Stage } from '../middleware/rig.js'
import { desk, later, says, tick } from '../sentinel/desk.js'

const ALICE = 7
const MINUTE = 60_000
const ADAPT: AdaptOptions = {
  min: '2/1m',
  max: '8/1m',
  earn: { after: 4, by: 2 },
  lose: { after: 3, within: '5m', to: 0.5 },
  for: '1h',
}

function adapting(
  adapt: AdaptOptions = ADAPT,
  limit: `${number}/${string}` = '4/1m',
  { remote = false, ...options }: SentinelOptions & { readonly remote?: boolean } = {},
  handlers: Parameters<typeof desk>[1] = undefined,
) {
  const time = new Stage()
  const kept = memory({ clock: time.clock })
  const at = desk(
    {
      clock: time.clock,
      timers: time.timers,
      storage: remote ? later(kept) : kept,
      once: false,
      throttle: { limit, algorithm: 'fixed', adapt, deny: 'silent' },
      ...options,
    },
    handlers,
  )
  const changes: string[] = []
  at.guard.on('limit.changed', ({ before, after, by }: LimitChangedEvent) => {
    changes.push(`${before?.amount ?? 'usual'} → ${after?.amount ?? 'usual'} by ${by}`)
  })
  let nth = 0
  return {
    ...at,
    time,
    changes,
    /** Sends this many messages, and returns how many passed. */
    async talks(times: number, from = ALICE): Promise<number> {
      const before = at.reached.length
      for (let i = 0; i < times; i++) {
        await at.handle(says(from, `sentence ${++nth}`))
        await at.quiet()
      }
      return at.reached.length - before
    },
    stored: async () =>
      (
        (await at.guard.storage.marks.get(42, userKey(ALICE), 'adapted:throttle.user'))?.value as
          | { amount: number }
          | undefined
      )?.amount,
  }
}

describe('a limit that adapts', () => {
  test('grows for users who stay within it, up to its bound', async () => {
    const at = adapting()
    expect(await at.talks(4)).toBe(4)
    expect(await at.stored()).toBe(6)
    at.time.advance(MINUTE)
    expect(await at.talks(4)).toBe(4)
    expect(await at.stored()).toBe(8)
    at.time.advance(MINUTE)
    expect(await at.talks(8)).toBe(8)
    expect(at.changes).toEqual(['usual → 6 by adapt', '6 → 8 by adapt'])
    await at.guard.close()
  })

  test('shrinks for users who exceed it, down to its bound, and recovers in time', async () => {
    const at = adapting()
    // Four messages pass and raise the limit by two; of the others, three refusals lower it by half.
    expect(await at.talks(4)).toBe(4)
    expect(await at.stored()).toBe(6)
    expect(await at.talks(5)).toBe(2)
    expect(await at.stored()).toBe(3)
    at.time.advance(MINUTE)
    expect(await at.talks(6)).toBe(3)
    expect(await at.stored()).toBe(2)
    at.time.advance(MINUTE)
    expect(await at.talks(5)).toBe(2)
    expect(at.changes).toEqual(['usual → 6 by adapt', '6 → 3 by adapt', '3 → 2 by adapt'])
    at.time.advance(60 * MINUTE)
    expect(await at.stored()).toBeUndefined()
    expect(await at.talks(3)).toBe(3)
    await at.guard.close()
  })

  /** Sends an album of ten photos. */
  async function album(at: ReturnType<typeof adapting>, name: string): Promise<void> {
    for (let part = 0; part < 10; part++) {
      const update = says(ALICE, `photo ${part}`)
      Object.assign(update.message ?? {}, { media_group_id: name })
      await at.handle(update)
      await at.quiet()
    }
  }

  test('counts an album that passes as one update', async () => {
    const at = adapting()
    for (const name of ['a', 'b', 'c']) await album(at, name)
    expect(at.reached).toHaveLength(3 * 10)
    expect(at.changes).toEqual([])
    await album(at, 'd')
    expect(at.changes).toEqual(['usual → 6 by adapt'])
    await at.guard.close()
  })

  test('counts an album that is refused as one refusal', async () => {
    const at = adapting({ ...ADAPT, earn: { after: 100 } })
    expect(await at.talks(4)).toBe(4)
    for (const name of ['a', 'b']) await album(at, name)
    expect(at.changes).toEqual([])
    await album(at, 'c')
    expect(at.changes).toEqual(['usual → 2 by adapt'])
    await at.guard.close()
  })

  test('counts an update that is redelivered after an error as one', async () => {
    const at = adapting(ADAPT, '4/1m', { once: {} }, (bot) => {
      bot.on('message', () => {
        throw new Error('the handler fails')
      })
    })
    const update = says(ALICE, 'once more')
    for (let delivery = 0; delivery < 10; delivery++) await at.handle(update).catch(() => undefined)
    await at.quiet()
    expect(at.changes).toEqual([])
    await at.guard.close()
  })

  const judged = { ...ADAPT, earn: { after: 5 } }
  const judging = { limit: '4/1m', algorithm: 'fixed', adapt: judged, deny: 'silent' } as const
  test.each<[string, SentinelOptions]>([
    ['users who are exempt', { exempt: { users: [ALICE] } }],
    ['administrators who are exempt in their chat', { exempt: { chatAdmins: true } }],
    ['holders of an exempt role', { auth: {}, exempt: { roles: ['staff'] } }],
    ['updates that cost nothing', { throttle: { ...judging, cost: () => 0 } }],
  ])('does not grow by what it has not judged: %s', async (_, options) => {
    const at = adapting(judged, '4/1m', options)
    await at.guard.grant(ALICE, 'staff')
    at.hasAdministrators(ALICE)
    for (let nth = 0; nth < 20; nth++) {
      await at.handle(says(ALICE, `sentence ${nth}`, { group: true }))
      await at.quiet()
    }
    expect(at.reached).toHaveLength(20)
    expect(at.changes).toEqual([])
    await at.guard.close()
  })

  test('counts albums alike in a policy', async () => {
    const limit = { limit: '4/1m', algorithm: 'fixed', adapt: ADAPT } as const
    const calm = definePolicy('calm', {
      // Two limits that adapt, so that the policy asks two guards.
      throttle: [
        { ...limit, name: 'talk' },
        { ...limit, name: 'more', adapt: { ...ADAPT, earn: { after: 100 } } },
      ],
    })
    const at = adapting(ADAPT, '4/1m', { throttle: false }, (bot) => {
      bot.on('message', policy(calm), () => undefined)
    })
    for (const name of ['a', 'b', 'c']) await album(at, name)
    expect(at.changes).toEqual([])
    await album(at, 'd')
    expect(at.changes).toEqual(['usual → 6 by adapt'])
    await at.guard.close()
  })

  test('keeps its counts when options change', async () => {
    const at = adapting()
    expect(await at.talks(3)).toBe(3)
    at.guard.reconfigure({ notices: { budget: '10/1s' } })
    await tick()
    expect(await at.talks(1)).toBe(1)
    expect(await at.stored()).toBe(6)
    expect(await at.talks(4)).toBe(2)
    at.guard.reconfigure({ notices: { budget: '20/1s' } })
    await tick()
    expect(await at.talks(1)).toBe(0)
    expect(await at.stored()).toBe(3)
    await at.guard.close()
  })

  test('forgives refusals that are far apart, and then starts counting again', async () => {
    const at = adapting({ ...ADAPT, earn: { after: 6 } })
    for (let round = 0; round < 4; round++) {
      expect(await at.talks(5)).toBe(4)
      at.time.advance(5 * MINUTE)
    }
    expect(at.changes).toEqual([])
    await at.guard.close()
  })

  test('forgets an erased user: earlier conduct has no effect afterwards', async () => {
    const at = adapting()
    await at.talks(3)
    await at.talks(3, 8)
    await at.guard.users.erase(ALICE)
    expect(await at.talks(1)).toBe(1)
    await at.talks(1, 8)
    expect(at.changes).toEqual(['usual → 6 by adapt'])
    expect(await at.stored()).toBeUndefined()
    await at.talks(3)
    expect(await at.stored()).toBe(6)
    await at.guard.close()
  })

  test('also erases a change that is being written when the user is erased', async () => {
    const at = adapting()
    const { marks } = at.guard.storage
    const put = marks.put.bind(marks)
    let write = (): void => undefined
    const writing = new Promise<void>((begun) => {
      Object.assign(marks, {
        async put(...args: Parameters<typeof put>) {
          begun()
          await new Promise<void>((done) => {
            write = done
          })
          return put(...args)
        },
      })
    })
    await at.says(ALICE, '1', '2', '3', '4')
    await writing
    const erased = at.guard.users.erase(ALICE)
    for (let i = 0; i < 20; i++) await tick()
    write()
    expect((await erased).marks.map(({ name }) => name)).toEqual(['adapted:throttle.user'])
    await at.quiet()
    expect(await at.stored()).toBeUndefined()
    await at.guard.close()
  })

  test('is separate for each user, and the same in another process', async () => {
    const at = adapting(ADAPT, '4/1m', { remote: true })
    expect(await at.talks(7)).toBe(6)
    expect(await at.talks(5, 8)).toBe(5)
    const other = desk({
      clock: at.time.clock,
      timers: at.time.timers,
      storage: at.guard.storage,
      throttle: { limit: '4/1m', algorithm: 'fixed', adapt: ADAPT },
    })
    at.time.advance(MINUTE)
    for (let nth = 0; nth < 10; nth++) await other.says(ALICE, `there ${nth}`)
    await other.quiet()
    expect(other.reached).toHaveLength(8)
    await other.guard.close()
    await at.guard.close()
  })

  test('is overridden by limits set for the user and by roles', async () => {
    const time = new Stage()
    const at = desk({
      clock: time.clock,
      timers: time.timers,
      once: false,
      limits: true,
      throttle: { limit: '4/1m', algorithm: 'fixed', adapt: ADAPT, roles: { vip: '5/1m' } },
    })
    for (let nth = 0; nth < 4; nth++) await at.says(ALICE, `hello ${nth}`)
    await at.quiet()
    const now = async () => (await at.guard.explain(ALICE)).limits[0]
    expect(await now()).toMatchObject({ limit: '6/1m', from: 'adapted' })
    await at.guard.grant(ALICE, 'vip')
    expect(await now()).toMatchObject({ limit: '5/1m', from: 'role vip' })
    await at.guard.limits.set({ role: 'vip' }, 'user', '7/1m')
    expect(await now()).toMatchObject({ limit: '7/1m', from: 'role vip' })
    await at.guard.limits.set(ALICE, 'user', '1/1m')
    expect(await now()).toMatchObject({ limit: '1/1m', from: 'user' })
    await at.guard.close()
  })

  test('is shared by all handlers of a policy, and counts each refusal once', async () => {
    const handled: string[] = []
    const calm = definePolicy('calm', {
      throttle: {
        limit: '4/1m',
        algorithm: 'fixed',
        adapt: { ...ADAPT, earn: { after: 1000 } },
        deny: 'silent',
      },
    })
    const at = desk({ debounce: false }, (bot) => {
      for (const name of ['one', 'two']) {
        bot.command(name, policy(calm), () => {
          handled.push(name)
        })
      }
    })
    const says = async (text: string, times: number): Promise<number> => {
      const before = handled.length
      for (let nth = 0; nth < times; nth++) await at.says(ALICE, text)
      await at.quiet()
      return handled.length - before
    }
    const stored = () => at.guard.storage.marks.get(42, userKey(ALICE), 'adapted:throttle.calm')
    expect([await says('/one', 5), await says('/two', 5)]).toEqual([4, 4])
    // One refusal each: if they were counted twice, it would be three.
    expect(await stored()).toBeUndefined()
    await says('/two', 1)
    expect((await stored())?.value).toEqual({ amount: 2, per: MINUTE })
    at.time.advance(MINUTE)
    expect([await says('/one', 3), await says('/two', 2)]).toEqual([2, 2])
    await at.guard.close()
  })

  test('writes only at thresholds', async () => {
    const time = new Stage()
    const kept = memory({ clock: time.clock })
    let writes = 0
    kept.watch((change) => {
      if (change.kind === 'marks') writes++
    })
    const at = desk({
      storage: kept,
      clock: time.clock,
      timers: time.timers,
      throttle: { limit: '1000/1m', adapt: { min: '500/1m', max: '1100/1m', earn: { after: 100, by: 100 } } },
    })
    for (let nth = 0; nth < 399; nth++) await at.says(ALICE, `sentence ${nth}`)
    await at.quiet()
    // One write, for the first hundred: with the second hundred the limit is already at its bound.
    expect(writes).toBe(1)
    await at.guard.close()
  })

  test('never leaves its bounds with random users, and follows its rule', async () => {
    const adapts = fc
      .record({
        base: fc.integer({ min: 1, max: 12 }),
        down: fc.integer({ min: 0, max: 11 }),
        up: fc.integer({ min: 0, max: 12 }),
        by: fc.integer({ min: 1, max: 5 }),
        earnAfter: fc.integer({ min: 1, max: 6 }),
        loseAfter: fc.integer({ min: 1, max: 4 }),
        to: fc.constantFrom(0.1, 0.25, 0.5, 0.9),
      })
      .map(({ base, down, up, ...rest }) => ({
        base,
        min: Math.max(1, base - down),
        max: base + up,
        ...rest,
      }))
    const spells = fc.array(
      fc.record({ talk: fc.integer({ min: 1, max: 15 }), rest: fc.integer({ min: 0, max: 3 }) }),
      {
        minLength: 1,
        maxLength: 8,
      },
    )
    await fc.assert(
      fc.asyncProperty(adapts, spells, async ({ base, min, max, by, earnAfter, loseAfter, to }, days) => {
        const at = adapting(
          {
            min: `${min}/1m`,
            max: `${max}/1m`,
            earn: { after: earnAfter, by },
            lose: { after: loseAfter, within: '366d', to },
            for: '366d',
          },
          `${base}/1m`,
        )
        let amount = base
        let good = 0
        let refusals = 0
        for (const { talk, rest } of days) {
          for (let nth = 0; nth < talk; nth++) {
            const passes = (await at.talks(1)) === 1
            if (passes) {
              good++
              if (good === earnAfter) {
                amount = Math.min(max, amount + by)
                good = 0
              }
            } else {
              good = 0
              refusals++
              if (refusals === loseAfter) {
                amount = Math.max(min, Math.floor(amount * to))
                refusals = 0
              }
            }
            const held = (await at.stored()) ?? base
            expect(held).toBe(amount)
            expect(held).toBeGreaterThanOrEqual(min)
            expect(held).toBeLessThanOrEqual(max)
          }
          at.time.advance(rest * MINUTE)
        }
        await at.guard.close()
      }),
      { numRuns: 40 },
    )
  })
})

describe('of very many users', () => {
  const ctx = { me: { id: 42 } } as Context
  const facts = (id: number) => ({ actor: userKey(id) }) as Facts

  /** A limit that is raised with the tenth update of a user. */
  function watching() {
    const services = createServices({})
    const adaptation = readAdapt(
      adaptOptions.parse({ min: '2/1m', max: '8/1m', earn: { after: 10 } }),
      parseLimit('4/1m', ''),
      1,
      '',
    )
    const changed: number[] = []
    services.events.on('limit.changed', ({ key }) => changed.push(keySubject(key as Key).id as number))
    const conduct = new Conduct(services, 'throttle.user', 'user', adaptation)
    return {
      changed,
      passes: (from: number, times = 1) => {
        for (let nth = 0; nth < times; nth++) conduct.passed(facts(from), ctx)
      },
      settled: () => services.background.drain(),
    }
  }

  test('a user who is seen again and again is remembered, despite new users', async () => {
    const { changed, passes, settled } = watching()
    passes(ALICE)
    for (let nth = 0; nth < 9; nth++) {
      for (let other = 0; other < MOST_ACTORS / 2; other++) passes(1_000_000 * (nth + 1) + other)
      passes(ALICE)
    }
    await settled()
    expect(changed).toEqual([ALICE])
  })

  test('the user seen longest ago is forgotten: their number is bounded', async () => {
    const { changed, passes, settled } = watching()
    passes(ALICE, 9)
    passes(8, 9)
    for (let other = 0; other < MOST_ACTORS - 1; other++) passes(1000 + other)
    passes(8)
    passes(ALICE)
    await settled()
    expect(changed).toEqual([8])
  })
})

test('a limit stored under other bounds is moved into the current ones', async () => {
  for (const [stored, how, to] of [
    [100, 'lose', 4],
    [100, 'earn', 8],
    [1, 'earn', 4],
    [1, 'lose', 2],
  ] as const) {
    const at = adapting()
    await at.talks(1)
    const mark = { since: 0, value: { amount: stored, per: MINUTE } }
    await at.guard.storage.marks.put(42, 'adapted:throttle.user', [{ key: userKey(ALICE), mark }])
    const services = createServices({ storage: at.guard.storage })
    const adaptation = readAdapt(
      adaptOptions.parse({ min: '2/1m', max: '8/1m', earn: { by: 2 } }),
      parseLimit('4/1m', ''),
      1,
      '',
    )
    await adaptLimit(services, 'throttle.user', adaptation, { bot: 42, key: userKey(ALICE), how })
    expect([stored, how, (await at.stored()) ?? 4]).toEqual([stored, how, to])
  }
})

describe('an invalid adaptation', () => {
  const limit = '20/1m'
  test.each([
    [{ limit, adapt: { min: '5/1h', max: '40/1m' } }, 'adapt.min: 5/1h has another time span'],
    [{ limit, adapt: { min: '25/1m', max: '40/1m' } }, 'adapt.min: 25 is more than the limit, 20'],
    [{ limit, adapt: { min: '5/1m', max: '10/1m' } }, 'adapt.max: 10 is less than the limit, 20'],
    [{ limit, adapt: { min: '5/1m', max: '40/1m (burst 5)' } }, 'adapt.max: it has its own burst'],
    [{ limit, adapt: { min: '5/1m', max: '40/1m', lose: { to: 1 } } }, 'a number above 0 and below 1'],
    [{ limit, adapt: { min: '5/1m', max: '40/1m', earn: { by: 0 } } }, 'a whole number of at least 1'],
    [{ limit, adapt: { min: '5/1m' } }, 'throttle.adapt.max: undefined is not a limit'],
    [{ limit, adapt: { min: '5/1m', max: '40/1m', earns: {} } }, 'Did you mean "earn"?'],
    [{ limit, cost: 6, adapt: { min: '5/1m', max: '40/1m' } }, 'an update costs 6'],
    [
      { limit, scope: 'chat', adapt: { min: '5/1m', max: '40/1m' } },
      "only limits that count users (scope: 'user')",
    ],
    [{ limit, algorithm: 'sliding-log', adapt: { min: '5/1m', max: '40/1m' } }, 'an exact window'],
    [{ limit: () => '5/1m', adapt: { min: '5/1m', max: '40/1m' } }, 'the limit is a function'],
  ])('is refused: %j', (options, words) => {
    expect(() => throttle(options as never)).toThrow(words)
  })
})
