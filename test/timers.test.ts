import { systemTimers, type Timers } from '../src/core/clock.js'
import { failover, fromGrammyStorage, hybrid, memory, outgoing, resilient, sentinel } from '../src/index.js'
import { health } from '../src/observability/health/index.js'
import { logging } from '../src/observability/logging/index.js'
import { redis } from '../src/storage/redis/index.js'
import { sqlite } from '../src/storage/sqlite/index.js'

const adapter = { read: () => undefined, write: () => undefined, delete: () => undefined }

const TAKERS: readonly (readonly [string, (timers: Timers) => unknown])[] = [
  ['timers', (timers) => sentinel({ timers })],
  ['sqlite.timers', (timers) => sqlite('never-made.db', { timers })],
  ['fromGrammyStorage.timers', (timers) => fromGrammyStorage(adapter, { timers })],
  ['hybrid.timers', (timers) => hybrid(memory(), redis('redis://localhost:1'), { timers })],
  ['resilient.timers', (timers) => resilient(memory(), { fallback: memory(), timers })],
  ['failover.timers', (timers) => failover([memory(), memory()], { timers })],
  ['health.timers', (timers) => health(sentinel(), { timers })],
  ['logging.timers', (timers) => logging(sentinel(), { timers })],
  ['outgoing.timers', (timers) => outgoing({}, { timers })],
]

describe.each(TAKERS)('%s', (name, make) => {
  test.each([{}, null, setTimeout, { after: 5 }])(
    'that are %p are refused when they are passed',
    (timers) => {
      expect(() => make(timers as unknown as Timers)).toThrow(
        expect.objectContaining({ code: 'option.invalid', message: expect.stringMatching(`^${name}: `) }),
      )
    },
  )

  test('that have after() are accepted', () => {
    expect(() => make(systemTimers)).not.toThrow()
  })
})
