import { z } from 'zod'
import { combine, failover, fromGrammyStorage, hybrid, memory, resilient, sentinel } from '../../src/index.js'
import { postgres } from '../../src/storage/postgres/index.js'
import { redis } from '../../src/storage/redis/index.js'
import { sqlite } from '../../src/storage/sqlite/index.js'
import { later } from '../sentinel/desk.js'

/* A mistyped option must not be ignored: with `tll` for `ttl`, sessions would never expire. */

const { storage, users } = sentinel()
const schema = z.object({ quiet: z.boolean().default(false) })

const cases: [what: string, run: (options: never) => unknown, mistyped: object, words: string][] = [
  [
    'memory()',
    (options) => memory(options),
    { maxSubject: 5 },
    'memory.maxSubject: there is no such option. Options: maxSubjects, clock, timers.',
  ],
  [
    'storage.sessions()',
    (options) => storage.sessions(options),
    { tll: '1d' },
    'sessions.tll: there is no such option. Options: name, ttl.',
  ],
  [
    'users.sessions()',
    (options) => users.sessions(options),
    { owns: () => true },
    'sessions.owns: there is no such option. Options: name, ttl.',
  ],
  [
    'users.preferences()',
    (options) => users.preferences(schema, options),
    { nmae: 'wishes' },
    'preferences.nmae: there is no such option. Options: name, version, migrate.',
  ],
  [
    'users.include()',
    (options) => users.include('games', options),
    { keys: () => [], own: () => true },
    'users.include.own: there is no such option. Options: keys, owns.',
  ],
  [
    'users.erase()',
    (options) => users.erase(7, options),
    { keepBlok: true },
    'erase.keepBlok: there is no such option. Options: keepBlock, chats.',
  ],
  [
    'redis()',
    (options) => redis('redis://127.0.0.1:1', options),
    { prefx: 'shop' },
    'redis.prefx: there is no such option. Options: prefix, clock, timers.',
  ],
  [
    'postgres()',
    (options) => postgres('postgres://127.0.0.1:1/shop', options),
    { shema: 'shop' },
    'postgres.shema: there is no such option. Options: schema, migrate, connections, listen, clock, timers, onError.',
  ],
  [
    'sqlite()',
    (options) => sqlite(':memory:', options),
    { busyTimout: 1 },
    'sqlite.busyTimout: there is no such option. Options: busyTimeout, clock, timers, onError.',
  ],
  [
    'hybrid()',
    (options) => hybrid(later(), options),
    { remmember: '1m' },
    'hybrid.remmember: there is no such option. Options: maxRefusals, remember, lease, clock, timers.',
  ],
  [
    'the lease of hybrid()',
    (options) => hybrid(later(), { lease: options }),
    { limits: ['global'], bach: 5 },
    'hybrid.lease.bach: there is no such option. Options: limits, batch, for.',
  ],
  [
    'failover()',
    (options) => failover([later(), memory()], options),
    { timout: '1s' },
    'failover.timout: there is no such option. Options: timeout, breaker, probeEvery, clock, timers.',
  ],
  [
    'resilient()',
    (options) => resilient(later(), options),
    { timout: '1s' },
    'resilient.timout: there is no such option. Options: timeout, firstTimeout, breaker, fallback, probeEvery, maxMarks, clock, timers.',
  ],
  [
    'combine()',
    (options) => combine(options),
    { durable: memory(), volatil: memory() },
    'combine.volatil: there is no such option. Options: durable, volatile, refresh, maxSubjects, clock, timers.',
  ],
  [
    'fromGrammyStorage()',
    (options) => fromGrammyStorage({ read: () => undefined, write: () => {}, delete: () => {} }, options),
    { timout: '1s' },
    'fromGrammyStorage.timout: there is no such option. Options: prefix, timeout, clock, timers.',
  ],
]

test.each(cases)('%s refuses an unknown option', async (_, run, mistyped, message) => {
  await expect((async () => run(mistyped as never))()).rejects.toEqual(
    expect.objectContaining({ code: 'option.unknown', message }),
  )
})

test('all storages accept one object with a clock and timers', async () => {
  const time = { clock: () => 0, timers: { after: () => () => undefined } }
  const adapter = { read: () => undefined, write: () => {}, delete: () => {} }
  const storages = [
    memory(time),
    sqlite(':memory:', time),
    redis('redis://127.0.0.1:1', time),
    postgres('postgres://127.0.0.1:1/shop', time),
    combine({ durable: memory(), ...time }),
    hybrid(later(), time),
    failover([later(), memory()], time),
    resilient(later(), time),
    fromGrammyStorage(adapter, time),
  ]
  for (const each of storages) await each.close()
})
