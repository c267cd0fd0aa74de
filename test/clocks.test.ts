import type { Clock } from '../src/core/clock.js'
import {
  combine,
  compose,
  failover,
  fromGrammyStorage,
  hybrid,
  memory,
  outgoing,
  resilient,
  sentinel,
  throttle,
} from '../src/index.js'
import { postgres } from '../src/storage/postgres/index.js'
import { redis } from '../src/storage/redis/index.js'
import { sqlite } from '../src/storage/sqlite/index.js'

const url = 'redis://localhost:1'
const adapter = { read: () => undefined, write: () => undefined, delete: () => undefined }

const TAKERS: readonly (readonly [string, (clock: Clock) => unknown])[] = [
  ['clock', (clock) => sentinel({ clock })],
  ['compose.clock', (clock) => compose({ clock }, throttle('1/1s'))],
  ['memory.clock', (clock) => memory({ clock })],
  ['redis.clock', (clock) => redis(url, { clock })],
  ['postgres.clock', (clock) => postgres('postgres://localhost:1/x', { clock })],
  ['sqlite.clock', (clock) => sqlite('never-made.db', { clock })],
  ['combine.clock', (clock) => combine({ durable: memory(), volatile: memory(), clock })],
  ['fromGrammyStorage.clock', (clock) => fromGrammyStorage(adapter, { clock })],
  ['hybrid.clock', (clock) => hybrid(memory(), redis(url), { clock })],
  ['resilient.clock', (clock) => resilient(memory(), { fallback: memory(), clock })],
  ['failover.clock', (clock) => failover([memory(), memory()], { clock })],
  ['outgoing.clock', (clock) => outgoing({}, { clock })],
]

/** With each of these clocks all updates would pass. */
const CLOCKS: readonly (readonly [string, () => unknown, RegExp])[] = [
  ['returns NaN', () => Number.NaN, /it returned NaN/],
  ['is Date, which returns a text', Date as unknown as () => unknown, /it returned "/],
  ['returns a promise', async () => 1, /it returned an object/],
  ['returns undefined', () => undefined, /it returned undefined/],
  ['returns Infinity', () => Number.POSITIVE_INFINITY, /it returned Infinity/],
  [
    'throws',
    () => {
      throw new Error('no time')
    },
    /it throws/,
  ],
]

describe.each(TAKERS)('%s', (name, make) => {
  test.each(CLOCKS)('that %s is refused when it is passed', (_, clock, problem) => {
    expect(() => make(clock as Clock)).toThrow(
      expect.objectContaining({ code: 'option.invalid', message: expect.stringMatching(problem) }),
    )
    expect(() => make(clock as Clock)).toThrow(`${name}: `)
  })

  test('that returns a time is accepted', () => {
    expect(() => make(Date.now)).not.toThrow()
    expect(() => make(() => 0)).not.toThrow()
  })
})

test('clocks are also checked when options change, and the previous options stay', () => {
  const guard = sentinel()
  expect(() => guard.reconfigure({ clock: () => Number.NaN })).toThrow(/clock: it returned NaN/)
})
