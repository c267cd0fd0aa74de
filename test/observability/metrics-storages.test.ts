import { Registry } from 'prom-client'
import { failover, memory, throttle } from '../../src/index.js'
import { type Metrics, metrics } from '../../src/observability/metrics/index.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { Stage } from '../middleware/rig.js'
import { desk, says } from '../sentinel/desk.js'
import { faulty } from '../storage/faulty.js'
import { settled } from '../storage/outage.js'
import { parseExposition } from './exposition.js'

/** Returns the values of a metric by one label. */
async function told(
  { registry }: Pick<Metrics, 'registry'>,
  name: string,
  label: string,
): Promise<Record<string, number>> {
  const samples = parseExposition(await registry.metrics()).get(name)?.samples ?? []
  return Object.fromEntries(samples.map(({ labels, value }) => [labels[label] as string, value]))
}

test('each of several storages reports its outages, and queues report what waits for any of them', async () => {
  const { clock, timers } = new Stage()
  const [first, second] = [faulty(clock, timers), faulty(clock, timers)]
  const storage = failover([first, second], { clock, timers })
  const stage = desk({ storage, clock, timers })
  stage.guard.on('storage.down', () => undefined)
  stage.guard.on('error', () => undefined)
  const seen = metrics(stage.guard)
  await stage.says(1, 'a')
  await settled()
  const outages = () => told(seen, 'sentinel_storage_outages_total', 'storage')
  const up = () => told(seen, 'sentinel_storage_up', 'storage')
  expect(await outages()).toEqual({ failover: 0, 'failover.0.faulty': 0, 'failover.1.faulty': 0 })
  first.fault = 'refuses'
  for (let nth = 0; nth < 10; nth++) await stage.handle(says(200 + nth, 'b'))
  for (let nth = 0; nth < 5; nth++) await stage.guard.block(300 + nth)
  await settled()
  expect(await outages()).toEqual({ failover: 0, 'failover.0.faulty': 1, 'failover.1.faulty': 0 })
  expect(await up()).toEqual({ failover: 1, 'failover.0.faulty': 0, 'failover.1.faulty': 1 })
  expect(await told(seen, 'sentinel_queue_depth', 'queue')).toMatchObject({ marks: 5, settlements: 0 })
  expect(await told(seen, 'sentinel_queue_dropped_total', 'queue')).toMatchObject({ marks: 0 })
  expect(stage.reached).toHaveLength(11)
  await stage.guard.close()
})

test('sentinels that share a storage count their own decisions made in memory during an outage', async () => {
  const { clock, timers } = new Stage()
  const storage = faulty(clock, timers)
  const registry = new Registry()
  const [shop, help] = ['shop', 'help'].map((name) => {
    const stage = desk({ name, storage, clock, timers, throttle: '1/1m' })
    stage.guard.on('storage.down', () => undefined)
    stage.guard.on('error', () => undefined)
    metrics(stage.guard, { registry, name })
    return stage
  }) as [ReturnType<typeof desk>, ReturnType<typeof desk>]
  const fallbacks = () => told({ registry }, 'sentinel_storage_fallback_decisions_total', 'sentinel')
  await shop.says(1, 'a')
  await help.says(1, 'a')
  await settled()
  expect(await fallbacks()).toEqual({ shop: 0, help: 0 })
  storage.fault = 'refuses'
  // Some of these updates are allowed, and some denied.
  for (let nth = 0; nth < 15; nth++) await shop.says(100 + nth, 'b', 'c')
  await help.says(100, 'b')
  await settled()
  expect(await fallbacks()).toEqual({ shop: 30, help: 1 })
  expect((await shop.guard.health()).storage.circuit?.instead).toBe(31)
  await Promise.all([shop.guard.close(), help.guard.close()])
})

test('decisions made in memory during an outage are counted per evaluation, also for guards of handlers', async () => {
  const { clock, timers } = new Stage()
  const storage = faulty(clock, timers)
  const stage = desk({ storage, clock, timers }, (bot) =>
    bot.on('message', throttle('100/1m'), async (_, next) => next()),
  )
  stage.guard.on('storage.down', () => undefined)
  stage.guard.on('error', () => undefined)
  const seen = metrics(stage.guard)
  const count = async (name: string, label: string): Promise<number | undefined> =>
    Object.values(await told(seen, name, label))[0]
  const asked = async () =>
    parseExposition(await seen.registry.metrics())
      .get('sentinel_storage_duration_seconds')
      ?.samples.find(({ name, labels }) => name.endsWith('_count') && labels.operation === 'evaluate')?.value
  await stage.says(1, 'a')
  expect(await asked()).toBe(2)
  storage.fault = 'refuses'
  await stage.says(1, 'b', 'c', 'd')
  expect(await count('sentinel_verdicts_total', 'sentinel')).toBe(4)
  expect(await count('sentinel_storage_fallback_decisions_total', 'sentinel')).toBe(6)
  expect(await asked()).toBe(8)
  await stage.guard.close()
})

test('the scrape is answered although a local storage never reports its health, and reports it as down', async () => {
  const time = new Stage()
  const { clock, timers } = time
  const local = memory({ clock })
  let hangs = false
  const report = { ok: true, kind: 'file' }
  const storage: Storage = Object.assign(Object.create(local), {
    kind: 'file',
    health: async () => (hangs ? new Promise<never>(() => undefined) : report),
  })
  const { guard } = desk({ storage, clock, timers })
  const failures: unknown[] = []
  guard.on('error', ({ error, during }) => failures.push([during, (error as Error).message]))
  const seen = metrics(guard)
  const up = () => told(seen, 'sentinel_storage_up', 'storage')
  expect(await up()).toEqual({ file: 1 })
  hangs = true
  const scrape = up()
  await settled()
  time.advance(1000)
  expect(await scrape).toEqual({ file: 0 })
  expect(failures).toEqual([
    ['storage.health', expect.stringContaining('health: the storage did not answer within 1000 ms')],
  ])
  hangs = false
  expect(await up()).toEqual({ file: 1 })
  await guard.close()
})

test.each([
  ['nothing', undefined],
  ['null', null],
  ['a number', 1],
  ['an object without ok', { kind: 'file' }],
  ['an ok that is not a boolean', { ok: 'yes', kind: 'file' }],
])(
  'the scrape is answered although the health of a storage is %s, and reports it as down',
  async (_, report) => {
    for (const answer of [report, Promise.resolve(report)]) {
      const { clock, timers } = new Stage()
      const storage: Storage = Object.assign(Object.create(memory({ clock })), {
        kind: 'file',
        health: () => answer,
      })
      const { guard } = desk({ storage, clock, timers })
      const failures: unknown[] = []
      guard.on('error', ({ error, during }) => failures.push([during, error]))
      expect(await told(metrics(guard), 'sentinel_storage_up', 'storage')).toEqual({ file: 0 })
      expect(await guard.health()).toMatchObject({ ok: false, storage: { ok: false, kind: 'file' } })
      expect(failures[0]).toEqual([
        'storage.health',
        expect.objectContaining({
          code: 'storage.failed',
          message: expect.stringContaining('with its health'),
        }),
      ])
      await guard.close()
    }
  },
)
