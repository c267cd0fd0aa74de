import { systemTimers } from '../../src/core/clock.js'
import { type Judge, type Plan, type SentinelOptions, sentinel } from '../../src/index.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { memory } from '../../src/storage/memory/memory.js'
import { boundedJudge } from '../../src/storage/protection/bounded.js'
import { Stage } from '../middleware/rig.js'
import { settled } from '../storage/outage.js'
import { desk, later, nextId, says, taps, tick, user } from './desk.js'

const ALICE = 7
const broken = (): never => {
  throw new Error('the storage is away')
}
const rejecting = async (): Promise<never> => broken()

/** A storage with one faulty part. */
function storageWith(judge: Partial<Judge>, storage: Partial<Storage> = {}): Storage {
  const sound = memory()
  return {
    prepare: (plan: Plan) => ({ ...bound(sound.prepare(plan) as Judge), ...judge }),
    marks: sound.marks,
    users: sound.users,
    values: sound.values,
    sessions: sound.sessions.bind(sound),
    watch: sound.watch.bind(sound),
    reset: sound.reset.bind(sound),
    health: sound.health.bind(sound),
    close: sound.close.bind(sound),
    ...storage,
  }
}

function bound(judge: Judge): Judge {
  return {
    evaluate: (ask, at) => judge.evaluate(ask, at),
    peek: (ask, at) => judge.peek(ask, at),
    settle: (receipt, how, check) => judge.settle(receipt, how, check),
  }
}

const failures: [string, () => Storage, string][] = [
  ['evaluate throws', () => storageWith({ evaluate: broken }), 'storage.evaluate'],
  ['evaluate rejects', () => storageWith({ evaluate: rejecting }), 'storage.evaluate'],
  ['prepare rejects', () => storageWith({}, { prepare: rejecting }), 'storage.prepare'],
]

describe.each(failures)('where %s', (_, storage, during) => {
  test('limits stay open, and the error is reported', async () => {
    const { guard, says, handle, reached } = desk({ storage: storage(), throttle: '1/1m' })
    const told: unknown[] = []
    guard.on('error', (failure) => told.push(failure.during))
    await says(ALICE, '1', '2', '3')
    await handle(taps(ALICE, 'buy'))
    expect(reached).toEqual(['1', '2', '3', 'buy'])
    expect(new Set(told)).toEqual(new Set([during]))
  })

  test('auth stays closed except for open commands, silently except for the answer to a tap', async () => {
    const { guard, says, handle, reached, calls, quiet } = desk({
      storage: storage(),
      auth: {},
      exempt: { owner: 9 },
    })
    const told: unknown[] = []
    guard.on('denied', ({ verdict }) => told.push([verdict.guard, verdict.reason]))
    guard.on('error', () => undefined)
    await says(ALICE, '/start', 'hello')
    await handle(taps(ALICE, 'buy'))
    await says(9, 'the owner')
    await quiet()
    expect(reached).toEqual(['/start', 'the owner'])
    expect(told).toEqual([
      ['auth', 'unavailable'],
      ['auth', 'unavailable'],
    ])
    expect(calls.map(({ method }) => method)).toEqual(['answerCallbackQuery'])
  })

  test('users who need the resolver are refused, and its refusal cannot be bypassed', async () => {
    const asked: unknown[] = []
    const resolve = (): boolean => asked.push('asked') > 0
    const { guard, says, reached } = desk({ storage: storage(), auth: { registration: 'auto', resolve } })
    guard.on('error', () => undefined)
    await says(ALICE, 'hello')
    expect(reached).toEqual([])
    expect(asked).toEqual([])
  })

  test.each([
    ['with automatic registration', { registration: 'auto' as const }],
    ['in shadow', { shadow: true }],
  ])('auth %s still admits everybody', async (_, auth) => {
    const { guard, says, reached } = desk({ storage: storage(), auth })
    guard.on('error', () => undefined)
    await says(ALICE, 'hello')
    expect(reached).toEqual(['hello'])
  })

  test('an allow list stays closed', async () => {
    const { guard, says, reached } = desk({ storage: storage(), block: { only: true } })
    const told: unknown[] = []
    guard.on('error', () => undefined)
    guard.on('denied', ({ verdict }) => told.push([verdict.guard, verdict.reason]))
    await says(ALICE, 'hello')
    expect(reached).toEqual([])
    expect(told).toEqual([['block', 'unavailable']])
  })

  test.each([
    ['throttle', { throttle: { limit: '9/1m', onFailure: 'closed' } }, ['throttle', 'unavailable']],
    ['once', { once: { onFailure: 'closed' } }, ['once', 'unavailable']],
    ['the block list', { block: { onFailure: 'closed' } }, ['block', 'unavailable']],
    [
      'debounce',
      { debounce: { window: '1s', on: ['message'], onFailure: 'closed' } },
      ['debounce', 'unavailable'],
    ],
    ['a throttle in shadow', { throttle: { limit: '9/1m', onFailure: 'closed', shadow: true } }, undefined],
    ['an open auth', { auth: { onFailure: 'open' } }, undefined],
    [
      'an open auth with a resolver',
      { auth: { registration: 'auto', resolve: () => true, onFailure: 'open' } },
      undefined,
    ],
    ['an open allow list', { block: { only: true, onFailure: 'open' } }, undefined],
    ['a local auth', { auth: { onFailure: 'local' } }, ['auth', 'unavailable']],
  ] as [string, SentinelOptions, [string, string] | undefined][])(
    '%s follows its onFailure',
    async (_, options, refused) => {
      const { guard, says, reached } = desk({ storage: storage(), ...options })
      const told: unknown[] = []
      guard.on('error', () => undefined)
      guard.on('denied', ({ verdict }) => told.push([verdict.guard, verdict.reason]))
      await says(ALICE, 'hello')
      expect(told).toEqual(refused === undefined ? [] : [refused])
      expect(reached).toEqual(refused === undefined ? ['hello'] : [])
    },
  )

  test('without a listener the console reports it once in ten seconds', async () => {
    const said: unknown[] = []
    const { error } = console
    console.error = (...args: unknown[]) => said.push(args.join(' '))
    try {
      const { says, time } = desk({ storage: storage() })
      await says(ALICE, '1', '2', '3')
      time.advance(10_000)
      await says(ALICE, '4', '5')
    } finally {
      console.error = error
    }
    expect(said).toEqual(
      Array(2).fill(expect.stringContaining(`error during ${during}; updates are decided all the same`)),
    )
  })
})

describe('a storage', () => {
  test('that could not accept the plan is tried again, and no update waits for it', async () => {
    let up = false
    const { clock } = new Stage()
    const sound = memory({ clock })
    let asked = 0
    const prepare = async (plan: Plan): Promise<Judge> => {
      asked++
      return up ? sound.prepare(plan) : broken()
    }
    const { guard, says, reached, time } = desk({ storage: storageWith({}, { prepare }), throttle: '1/1m' })
    guard.on('error', () => undefined)
    await says(ALICE, '1', '2', '3')
    expect(asked).toBe(1)
    up = true
    time.advance(5000)
    await says(ALICE, '4')
    await tick()
    await says(ALICE, '5', 'over')
    expect(reached).toEqual(['1', '2', '3', '4', '5'])
    expect(asked).toBe(2)
  })

  test('decides by its own clock, unless options give one', async () => {
    const times: unknown[] = []
    const sound = memory()
    const storage = storageWith(
      {},
      {
        prepare(plan) {
          const judge = sound.prepare(plan) as Judge
          const noting =
            (how: 'evaluate' | 'peek'): Judge['evaluate'] =>
            (ask, at) => {
              times.push([how, at])
              return judge[how](ask, at)
            }
          return { ...bound(judge), evaluate: noting('evaluate'), peek: noting('peek') }
        },
      },
    )
    const own = desk({ storage })
    await own.says(ALICE, 'hello')
    const now = own.time.clock()
    const plain = sentinel({ storage })
    await plain.peek(ALICE, 'user')
    await own.guard.peek(ALICE, 'user')
    expect(times).toEqual([
      ['evaluate', now],
      ['peek', undefined],
      ['peek', now],
    ])
  })

  test('that is closed is refused when a sentinel is created with it', () => {
    const storage = memory()
    storage.close()
    expect(() => desk({ storage })).toThrow(expect.objectContaining({ code: 'storage.closed' }))
  })

  test.each([
    ['throws', broken],
    ['rejects', rejecting],
  ])('whose settle %s fails neither handlers nor refunds', async (_, settle) => {
    const { guard, handle, reached, bot } = desk({ storage: storageWith({ settle }) }, (bot) => {
      bot.on('message', async (ctx) => {
        await ctx.sentinel.refund()
        if (ctx.message.text === 'fragile') throw new Error('the handler failed')
      })
    })
    const told: unknown[] = []
    guard.on('error', ({ during }) => told.push(during))
    await handle(says(ALICE, 'sound'))
    await expect(handle(says(ALICE, 'fragile'))).rejects.toThrow('the handler failed')
    await tick()
    expect(reached).toEqual(['sound', 'fragile'])
    expect(told).toEqual(Array(3).fill('storage.settle'))
    expect(bot.isRunning()).toBe(false)
  })

  test('whose marks fail rejects calls about marks, and fails no update', async () => {
    const marks = { get: rejecting, put: rejecting, remove: rejecting, scan: rejecting, of: rejecting }
    const { guard, says, handle, reached } = desk({
      storage: storageWith({}, { marks }),
      block: { list: [9] },
    })
    const told: unknown[] = []
    guard.on('error', ({ during }) => told.push(during))
    await says(ALICE, 'hello')
    await handle({
      update_id: nextId(),
      my_chat_member: {
        chat: { id: ALICE, type: 'private', first_name: 'A' },
        from: user(ALICE),
        date: 1,
        old_chat_member: { status: 'member', user: user(42) },
        new_chat_member: { status: 'kicked', user: user(42), until_date: 0 },
      },
    })
    expect(reached).toEqual(['hello', 'my_chat_member'])
    expect(told).toEqual(['block.list', 'membership.unreachable'])
    await expect(guard.block(ALICE)).rejects.toThrow('the storage is away')
    await expect(guard.isBlocked(ALICE)).rejects.toThrow('the storage is away')
  })

  test('that answers later gives the same verdicts', async () => {
    const verdicts: unknown[] = []
    for (const wrap of [(storage: Storage) => storage, later]) {
      const time = new Stage()
      const one = desk({
        clock: time.clock,
        storage: wrap(memory({ clock: time.clock })),
        throttle: { limit: '2/10s', penalty: { after: 2, bans: ['1m'] } },
        auth: { gate: ['vip'] },
      })
      const told: unknown[] = []
      one.guard.on('allowed', ({ facts }) => told.push([facts.kind, 'allowed']))
      one.guard.on('denied', ({ facts, verdict }) => told.push([facts.kind, verdict]))
      await one.guard.block(8, { for: '20s' })
      for (let round = 0; round < 12; round++) {
        for (const from of [ALICE, 8]) {
          await one.handle(says(from, round % 3 === 0 ? '/vip' : 'hello'))
          await one.handle(taps(from, 'buy'))
        }
        if (round === 5) await one.guard.register(ALICE)
        time.advance(round * 1000)
      }
      await one.quiet()
      verdicts.push([told, one.reached, one.notices, (await one.guard.health()).tally])
    }
    expect(verdicts[1]).toEqual(verdicts[0])
  })
})

describe('listeners', () => {
  test('that throw or reject stop no update, and are reported', async () => {
    const { guard, says, reached } = desk({ throttle: '1/1m' })
    const told: unknown[] = []
    guard.on('allowed', () => {
      throw new Error('a bug')
    })
    guard.on('denied', async () => {
      throw new Error('another')
    })
    guard.on('error', ({ during, error }) => told.push(`${during}: ${(error as Error).message}`))
    await says(ALICE, '1', 'over')
    await tick()
    expect(reached).toEqual(['1'])
    expect(told).toEqual(['listener for allowed: a bug', 'listener for denied: another'])
  })

  test.each([
    ['throws', broken],
    ['rejects', rejecting],
  ])('for errors: one that %s falls back to the console', async (_, listener) => {
    const said: unknown[] = []
    const { error } = console
    console.error = (...args: unknown[]) => said.push(args.join(' '))
    try {
      const { guard, says, reached } = desk({ storage: storageWith({ evaluate: broken }) })
      guard.on('error', listener)
      await says(ALICE, '1')
      await tick()
      expect(reached).toEqual(['1'])
    } finally {
      console.error = error
    }
    expect(said).toEqual([expect.stringContaining('error during listener for error')])
  })

  test('are called until they are removed', async () => {
    const { guard, says } = desk({
      throttle: [{ limit: '9/1m' }, { name: 'quiet', limit: '1/1m', shadow: true }],
    })
    const told: string[] = []
    const stop = guard.on('allowed', ({ facts }) => told.push(`allowed ${facts.actorId}`))
    guard.on('shadow', ({ verdict: { guard: name, limit } }) => told.push(`shadow ${name}.${limit}`))
    await says(ALICE, '1', '2')
    stop()
    await says(ALICE, '3')
    expect(told).toEqual(['allowed 7', 'shadow throttle.quiet', 'allowed 7', 'shadow throttle.quiet'])
    expect((await guard.health()).tally).toMatchObject({ allowed: 3, shadow: 2, denied: 0 })
  })

  test('receive a warning once', async () => {
    const { guard, handle, quiet } = desk()
    const told: unknown[] = []
    guard.on('warning', ({ code }) => told.push(code))
    guard.membership.on('joined', () => undefined)
    for (const _ of [1, 2]) {
      await handle({
        update_id: nextId(),
        my_chat_member: {
          chat: { id: -1001000000001, type: 'supergroup', title: 'Plaza' },
          from: user(ALICE),
          date: 1,
          old_chat_member: { status: 'left', user: user(42) },
          new_chat_member: { status: 'member', user: user(42) },
        },
      })
    }
    await quiet()
    expect(told).toEqual(['membership.undelivered', 'delivery.notInstalled'])
  })
})

describe('in shadow', () => {
  test('a guard in shadow refuses nobody, and the others still refuse', async () => {
    const { guard, says, reached } = desk({ block: { shadow: true }, throttle: '2/1m' })
    await guard.block(ALICE)
    await says(ALICE, '1', '2', 'over')
    expect(reached).toEqual(['1', '2'])
    expect((await guard.health()).tally).toMatchObject({ shadow: 3, denied: 1 })
  })

  test('all of them refuse nothing, whatever they would', async () => {
    const { guard, says, handle, reached, notices, quiet } = desk({
      shadow: true,
      auth: { resolve: () => false },
      throttle: { limit: '1/1m', penalty: { after: 1, bans: ['1d'] } },
      debounce: { window: '1s', on: ['message'] },
    })
    const told = new Set<string>()
    guard.on('shadow', ({ verdict: { guard: name, limit } }) => told.add(`${name}.${limit}`))
    await guard.block(ALICE)
    const update = saysAs('hello')
    await handle(update)
    await handle(update)
    await says(ALICE, 'hello', 'there')
    await quiet()
    expect(reached).toEqual(['hello', 'hello', 'hello', 'there'])
    expect(notices).toEqual([])
    expect([...told].sort()).toEqual([
      'auth.registered',
      'auth.resolver',
      'block.actor',
      'debounce.leading',
      'once.update',
      'throttle.user',
    ])
    expect((await guard.health()).tally).toMatchObject({ denied: 0, allowed: 4 })
    guard.reconfigure({ shadow: false })
    await says(ALICE, 'blocked')
    expect(reached).toHaveLength(4)
  })

  const saysAs = (text: string) => says(ALICE, text)
})

describe('a custom storage without protection', () => {
  const never = (): Promise<never> => new Promise(() => undefined)

  test.each([
    ['evaluate', (hangs: boolean) => storageWith(hangs ? { evaluate: never } : {})],
    ['prepare', (hangs: boolean) => storageWith({}, hangs ? { prepare: never } : {})],
  ] as const)(
    'if %s hangs, an update waits for a second at most, and a limit with onFailure: closed still refuses',
    async (what, make) => {
      const { guard, says, reached, time } = desk({
        storage: make(true),
        throttle: [
          { name: 'open', limit: '9/1m' },
          { name: 'shut', limit: '9/1m', commands: ['shut'], onFailure: 'closed' },
        ],
      })
      const told: unknown[] = []
      guard.on('error', ({ during, error }) => told.push([during, (error as Error).message]))
      const saying = says(ALICE, '1')
      await settled()
      time.advance(999)
      await settled()
      expect([reached, told]).toEqual([[], []])
      time.advance(1)
      await saying
      expect(reached).toEqual(['1'])
      expect(told).toEqual([[`storage.${what}`, expect.stringMatching(/within 1000 ms.*remote: true/)]])
      const shut = says(ALICE, '/shut')
      await settled()
      time.advance(1000)
      await shut
      expect(reached).toEqual(['1'])
    },
  )

  test.each([
    ['undefined', undefined],
    ['null', null],
    ['a text', 'yes'],
    ['a check that does not exist', { refusedBy: 99, shadowRefusals: [] }],
    ['a fraction', { refusedBy: 0.5, shadowRefusals: [] }],
    ['shadow refusals of checks that do not exist', { refusedBy: -1, shadowRefusals: [99] }],
    ['without shadow refusals', { refusedBy: -1 }],
  ])(
    'whose decision is %s does not break the bot: that counts as a failure of the storage',
    async (_, decision) => {
      for (const evaluate of [() => decision, async () => decision]) {
        const { guard, says, reached } = desk({ storage: storageWith({ evaluate: evaluate as never }) })
        const told: unknown[] = []
        guard.on('error', ({ during, error }) => told.push([during, (error as Error).message]))
        await says(ALICE, '1')
        expect(reached).toEqual(['1'])
        expect(told).toEqual([
          ['storage.evaluate', expect.stringContaining('did not answer with a decision')],
        ])
      }
      // For a remote storage, updates are decided in memory.
      const remote = storageWith(
        { evaluate: (async () => decision) as never },
        { remote: true, kind: 'mine' },
      )
      const { guard, says, reached } = desk({ storage: remote, throttle: '3/1m' })
      const downs: unknown[] = []
      guard.on('storage.down', ({ reason, message }) => downs.push([reason, message]))
      await says(ALICE, '1', '2', '3', 'over', 'over', 'over')
      expect(reached).toEqual(['1', '2', '3'])
      expect(downs).toEqual([['storage.failed', expect.stringContaining('did not answer with a decision')]])
    },
  )

  test('memory is used as it is', () => {
    const storage = memory()
    const prepared = storage.prepare({ name: 'x', scopes: [], checks: [] }) as Judge
    expect(boundedJudge(prepared, { name: 'x', scopes: [], checks: [] }, storage, systemTimers)).toBe(
      prepared,
    )
  })
})
