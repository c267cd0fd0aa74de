import { spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { AggregatorRegistry, Counter, Registry } from 'prom-client'
import { SentinelError } from '../../src/core/errors.js'
import { sentinel } from '../../src/index.js'
import { type Metrics, metrics } from '../../src/observability/metrics/index.js'
import { Counts } from '../../src/observability/metrics/series.js'
import { memory } from '../../src/storage/memory/memory.js'
import { redis } from '../../src/storage/redis/index.js'
import { type Desk, desk, edits, joins, later, says } from '../sentinel/desk.js'
import { needPrometheus } from '../servers/install.js'
import { freshName, sharedRedis } from '../servers/shared.js'
import { until } from '../servers/until.js'
import { type Family, parseExposition } from './exposition.js'

async function scraped(seen: Metrics): Promise<Map<string, Family>> {
  return parseExposition(await seen.registry.metrics())
}

/** Returns the value of the one series with at least these labels; undefined if there is none. */
async function seriesOf(
  seen: Metrics,
  name: string,
  labels: Record<string, string> = {},
): Promise<number | undefined> {
  const family =
    (await scraped(seen)).get(name.replace(/_(bucket|sum|count)$/, '')) ?? (await scraped(seen)).get(name)
  const found = (family?.samples ?? []).filter(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  )
  expect(found.length).toBeLessThan(2)
  return found[0]?.value
}

describe('metrics', () => {
  let stage: Desk
  let seen: Metrics
  beforeEach(async () => {
    stage = desk({
      throttle: { limit: '2/1m' },
      membership: true,
      users: true,
      auth: { registration: 'auto', resolve: async () => true },
    })
    seen = metrics(stage.guard)
  })
  afterEach(async () => {
    seen.close()
    await stage.guard.close()
  })

  test('count verdicts by guard, reason and kind of update', async () => {
    await stage.says(7, 'a', 'b', 'c')
    await stage.handle(edits(7, 'd'))
    await stage.guard.block(8)
    await stage.says(8, 'e')
    const of = (labels: Record<string, string>) => seriesOf(seen, 'sentinel_verdicts_total', labels)
    expect(await of({ verdict: 'allowed', kind: 'message', guard: '', reason: '' })).toBe(2)
    expect(await of({ verdict: 'denied', kind: 'message', guard: 'throttle', reason: 'limited' })).toBe(1)
    expect(await of({ verdict: 'denied', kind: 'message', guard: 'block', reason: 'blocked' })).toBe(1)
    expect(await of({ verdict: 'allowed', kind: 'edited_message' })).toBe(1)
    expect(await seriesOf(seen, 'sentinel_marks_total', { event: 'blocked' })).toBe(1)
    expect(await seriesOf(seen, 'sentinel_verdict_duration_seconds_count', { verdict: 'denied' })).toBe(2)
  })

  test('count an update of an unknown kind that a handler denies once', async () => {
    stage.bot.use(({ sentinel }) => sentinel.deny())
    await stage.handle({ update_id: 5, telepathy: { from: { id: 7 } } } as never)
    const kind = 'unknown'
    expect(await seriesOf(seen, 'sentinel_verdicts_total', { kind })).toBe(1)
    expect(await seriesOf(seen, 'sentinel_handler_denials_total', { kind, reason: 'denied' })).toBe(1)
  })

  test('measure guards to the microsecond, in their checks and in their other steps', async () => {
    await stage.says(7, 'a')
    await stage.handle(joins(9))
    const of = (labels: Record<string, string>) =>
      seriesOf(seen, 'sentinel_guard_duration_seconds_count', labels)
    expect(await of({ guard: 'throttle', step: 'check' })).toBeGreaterThan(0)
    expect(await of({ guard: 'block', step: 'check' })).toBe(2)
    // The membership guard observes joins, but no messages.
    expect(await of({ guard: 'membership', step: 'observe' })).toBe(1)
    expect(await seen.registry.metrics()).not.toContain('guard="chats"')
    expect(await of({ guard: 'auth', step: 'admit' })).toBe(2)
    expect(await seriesOf(seen, 'sentinel_storage_duration_seconds_count', { operation: 'evaluate' })).toBe(2)
    const bounds = (await scraped(seen))
      .get('sentinel_storage_duration_seconds')
      ?.samples.flatMap(({ labels: { operation, le } }) =>
        operation === 'evaluate' && le ? [Number(le)] : [],
      )
    expect(bounds?.slice(0, 4)).toEqual([1e-6, 2e-6, 5e-6, 1e-5])
  })

  test('include memberships, tracked keys and queues', async () => {
    await stage.handle(joins(9))
    await stage.says(7, 'a')
    await stage.quiet()
    expect(await seriesOf(seen, 'sentinel_membership_transitions_total', { transition: 'joined' })).toBe(1)
    expect(await seriesOf(seen, 'sentinel_tracked_keys', { storage: 'memory' })).toBeGreaterThan(0)
    expect(await seriesOf(seen, 'sentinel_evictions_total', { storage: 'memory' })).toBe(0)
    expect(await seriesOf(seen, 'sentinel_storage_up', { storage: 'memory' })).toBe(1)
    expect(await seriesOf(seen, 'sentinel_queue_depth', { queue: 'activity' })).toBe(2)
    expect(await seriesOf(seen, 'sentinel_queue_depth', { queue: 'background' })).toBe(0)
    expect(await seriesOf(seen, 'sentinel_last_update_timestamp_seconds')).toBeCloseTo(Date.now() / 1000, -2)
  })

  test('measure notices as background work', async () => {
    await stage.says(7, 'a', 'b', 'c')
    await stage.quiet()
    const labels = { work: 'notice', outcome: 'ok' }
    expect(await seriesOf(seen, 'sentinel_background_duration_seconds_count', labels)).toBe(1)
  })

  test('stop when closed', async () => {
    await stage.says(7, 'a')
    seen.close()
    await stage.says(7, 'b')
    for (const { samples } of (await scraped(seen)).values()) expect(samples).toEqual([])
  })

  test('continue after options change at run time', async () => {
    stage.guard.reconfigure({ throttle: '1/1m' })
    await stage.says(7, 'a', 'b')
    expect(await seriesOf(seen, 'sentinel_guard_duration_seconds_count', { guard: 'throttle' })).toBe(2)
    expect(await seriesOf(seen, 'sentinel_verdicts_total', { guard: 'throttle' })).toBe(1)
  })
})

test('hooks are measured by name, point and outcome', async () => {
  const stage = desk()
  const seen = metrics(stage.guard)
  stage.guard.hook('before:throttle', async function counting() {})
  stage.guard.hook('before:throttle', function failing() {
    throw new Error('no')
  })
  stage.guard.on('error', () => undefined)
  await stage.says(7, 'a')
  const of = (hook: string, outcome: string) =>
    seriesOf(seen, 'sentinel_hook_duration_seconds_count', { hook, outcome })
  expect(await of('before:throttle counting', 'done')).toBe(1)
  expect(await of('before:throttle failing', 'failed')).toBe(1)
})

test('each guard that holds updates back has a queue metric', async () => {
  const stage = desk({
    debounce: { mode: 'trailing', window: '1s' },
    concurrency: { scope: 'user', most: 1 },
  })
  const seen = metrics(stage.guard)
  await stage.says(7, 'a', 'b')
  expect(await seriesOf(seen, 'sentinel_queue_depth', { queue: 'debounce' })).toBe(1)
  expect(await seriesOf(seen, 'sentinel_queue_depth', { queue: 'concurrency' })).toBe(0)
  expect(await seriesOf(seen, 'sentinel_queue_depth', { queue: 'hooks' })).toBe(0)
  expect(await seriesOf(seen, 'sentinel_queue_dropped_total', { queue: 'hooks' })).toBe(0)
  stage.time.advance(1000)
  expect(await seriesOf(seen, 'sentinel_queue_depth', { queue: 'debounce' })).toBe(0)
})

test('the wait for a place of concurrency is not part of the time to a verdict', async () => {
  const leave: (() => void)[] = []
  const stage = desk({ concurrency: { scope: 'global', most: 1, queue: 1 } }, (bot) =>
    bot.use(() => new Promise<void>((done) => leave.push(done))),
  )
  const seen = metrics(stage.guard)
  const took = (verdict: string) => seriesOf(seen, 'sentinel_verdict_duration_seconds_sum', { verdict })
  const all = [stage.handle(says(7, 'a'))]
  await until('one is at work', () => leave.length === 1)
  const before = (await took('allowed')) ?? Number.NaN
  all.push(stage.handle(says(8, 'b')))
  await until(
    'another waits',
    async () => (await seriesOf(seen, 'sentinel_queue_depth', { queue: 'concurrency' })) === 1,
  )
  const { now } = performance
  performance.now = () => now.call(performance) + 3_600_000
  try {
    leave[0]?.()
    await until('it has come in', () => leave.length === 2)
  } finally {
    performance.now = now
  }
  expect(await seriesOf(seen, 'sentinel_verdict_duration_seconds_count', { verdict: 'allowed' })).toBe(2)
  expect(((await took('allowed')) ?? Number.NaN) - before).toBeLessThan(1800)
  leave[1]?.()
  await Promise.all(all)
})

test('denials in shadow mode are counted separately', async () => {
  const { guard, says: say } = desk({ throttle: { limit: '1/1m', shadow: true } })
  const seen = metrics(guard)
  await say(7, 'a', 'b')
  expect(await seriesOf(seen, 'sentinel_verdicts_total', { verdict: 'allowed' })).toBe(2)
  const labels = { guard: 'throttle', reason: 'limited', kind: 'message' }
  expect(await seriesOf(seen, 'sentinel_shadow_verdicts_total', labels)).toBe(1)
})

test('updates with an asynchronous storage are measured until their verdict', async () => {
  const storage = later()
  const stage = desk({ storage, throttle: '1/1m' })
  const seen = metrics(stage.guard)
  await stage.says(7, 'a', 'b')
  expect(await seriesOf(seen, 'sentinel_verdict_duration_seconds_count', { verdict: 'allowed' })).toBe(1)
  expect(await seriesOf(seen, 'sentinel_verdict_duration_seconds_count', { verdict: 'denied' })).toBe(1)
  expect(await seriesOf(seen, 'sentinel_storage_circuit_state', { state: 'closed' })).toBe(1)
  expect(await seriesOf(seen, 'sentinel_storage_circuit_state', { state: 'open' })).toBe(0)
  await stage.guard.close()
})

test('with metrics, failures are still printed to the console if there is no error listener', async () => {
  const said: unknown[] = []
  const { error } = console
  console.error = (...words: unknown[]) => void said.push(words)
  const stage = desk({ throttle: { limit: '1/1m', cost: () => Number.NaN } })
  const seen = metrics(stage.guard)
  await stage.says(7, 'a')
  console.error = error
  expect(said).toHaveLength(1)
  expect(await seriesOf(seen, 'sentinel_errors_total', { during: 'throttle.user' })).toBe(1)
})

test('calls to Redis are measured, with their batch sizes', async () => {
  const storage = redis(await sharedRedis(), { prefix: freshName() })
  const stage = desk({ storage })
  const seen = metrics(stage.guard)
  await Promise.all(Array.from({ length: 50 }, (_, nth) => stage.handle(says(nth + 1, 'a'))))
  expect(await seriesOf(seen, 'sentinel_storage_batch_size_sum', { storage: 'redis' })).toBe(50)
  expect(await seriesOf(seen, 'sentinel_storage_batch_size_count', { storage: 'redis' })).toBeLessThan(20)
  expect(await seriesOf(seen, 'sentinel_storage_call_failures_total', { storage: 'redis' })).toBe(0)
  expect(await seriesOf(seen, 'sentinel_queue_depth', { queue: 'storage' })).toBe(0)
  await stage.guard.close()
  await storage.close()
})

test('no label contains an id', async () => {
  const stage = desk({ throttle: false })
  const seen = metrics(stage.guard)
  for (let nth = 0; nth < 700; nth++) await stage.handle(says(1e9 + nth, `${1e9 + nth}`))
  const told = await seen.registry.metrics()
  expect(told).not.toMatch(/"10000\d\d\d\d\d/)
})

test('labels without a fixed set of values are counted as "other" from the 501st value on', () => {
  const counts = new Counts(['during', 'how'])
  for (let nth = 0; nth < 700; nth++) counts.add(`nth ${nth}`, 'once')
  counts.add('nth 3', 'once')
  const samples = [...counts.samples()]
  expect(samples).toHaveLength(501)
  expect(samples.at(3)).toEqual([{ during: 'nth 3', how: 'once' }, 2])
  expect(samples.at(-1)).toEqual([{ during: 'other', how: 'other' }, 200])
})

describe('the registry', () => {
  test('can be your own, shared by several sentinels', async () => {
    const registry = new Registry()
    new Counter({ name: 'mine_total', help: 'Mine.', registers: [registry] }).inc()
    const [shop, help] = [desk(), desk()]
    const seen = metrics(shop.guard, { registry, name: 'shop' })
    metrics(help.guard, { registry })
    await shop.says(7, 'a')
    await help.says(7, 'a', 'b')
    expect(await seriesOf(seen, 'sentinel_verdicts_total', { sentinel: 'shop' })).toBe(1)
    expect(await seriesOf(seen, 'sentinel_verdicts_total', { sentinel: '1' })).toBe(2)
    expect(await seriesOf(seen, 'mine_total')).toBe(1)
  })

  test('labels a sentinel with its own name, unless another one is labelled with it', async () => {
    const registry = new Registry()
    const [shop, again] = [desk({ name: 'shop' }), desk({ name: 'shop' })]
    const seen = metrics(shop.guard, { registry })
    metrics(again.guard, { registry })
    await shop.says(7, 'a')
    await again.says(7, 'a', 'b')
    expect(await seriesOf(seen, 'sentinel_verdicts_total', { sentinel: 'shop' })).toBe(1)
    expect(await seriesOf(seen, 'sentinel_verdicts_total', { sentinel: '1' })).toBe(2)
  })

  test('refuses a name that is already used', () => {
    const registry = new Registry()
    const seen = metrics(sentinel(), { registry, name: 'shop' })
    expect(() => metrics(sentinel(), { registry, name: 'shop' })).toThrow(
      /"shop" is already the name of another.* or call close\(\)/,
    )
    seen.close()
    expect(metrics(sentinel(), { registry, name: 'shop' })).toHaveProperty('registry', registry)
    const other = new Registry()
    new Counter({ name: 'sentinel_verdicts_total', help: 'Mine.', registers: [other] })
    expect(() => metrics(sentinel(), { registry: other })).toThrow(SentinelError)
    expect(() => metrics(sentinel(), { registri: other } as object)).toThrow(/registry/)
  })

  test('can be cleared and used again', async () => {
    const registry = new Registry()
    metrics(sentinel(), { registry, name: 'shop' })
    registry.clear()
    const stage = desk()
    const seen = metrics(stage.guard, { registry, name: 'shop' })
    await stage.says(7, 'a')
    expect(await seriesOf(seen, 'sentinel_verdicts_total')).toBe(1)
  })

  test('supports OpenMetrics', async () => {
    const registry = new (Registry as new (type: string) => Registry)(Registry.OPENMETRICS_CONTENT_TYPE)
    const stage = desk()
    metrics(stage.guard, { registry })
    await stage.says(7, 'a')
    const told = await registry.metrics()
    expect(told).toContain('# TYPE sentinel_verdicts counter')
    expect(told).toMatch(/^sentinel_verdicts_total\{.*kind="message".*\} 1$/m)
    expect(told.endsWith('# EOF\n')).toBe(true)
  })

  test('of several cluster workers is aggregated: sums of counters, minimum or maximum of gauges', async () => {
    const workers: object[] = []
    for (let nth = 0; nth < 2; nth++) {
      const stage = desk()
      const seen = metrics(stage.guard, { clock: () => 1_767_225_600_000 + nth * 1000 })
      await stage.says(7, 'a')
      workers.push(await seen.registry.getMetricsAsJSON())
    }
    const all = parseExposition(await AggregatorRegistry.aggregate(workers as never[]).metrics())
    const value = (name: string) => all.get(name)?.samples.map((sample) => sample.value)
    expect(value('sentinel_verdicts_total')).toEqual([2])
    expect(value('sentinel_storage_up')).toEqual([1])
    expect(value('sentinel_last_update_timestamp_seconds')).toEqual([1_767_225_601])
  })

  test('contains metrics of the process on request, and only once', async () => {
    const registry = new Registry()
    const seen = metrics(sentinel(), { registry, process: true })
    metrics(sentinel(), { registry, process: true })
    expect(await seen.registry.metrics()).toContain('# TYPE process_cpu_seconds_total counter')
    expect(await metrics(sentinel()).registry.metrics()).not.toContain('process_')
    registry.clear()
  })
})

describe('the scrape', () => {
  test('is answered in the same way through node:http and fetch', async () => {
    const stage = desk()
    const seen = metrics(stage.guard)
    await stage.says(7, 'a')
    const server = createServer(seen.handler).listen(0, '127.0.0.1')
    await until('it listens', () => server.listening)
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`
    const [byNode, byFetch] = [await fetch(url), await seen.fetch(new Request(url))]
    for (const answer of [byNode, byFetch]) {
      expect(answer.status).toBe(200)
      expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
      expect(parseExposition(await answer.text()).get('sentinel_verdicts_total')?.samples).toHaveLength(1)
    }
    for (const answer of [
      await fetch(url, { method: 'HEAD' }),
      await seen.fetch(new Request(url, { method: 'HEAD' })),
    ]) {
      expect([answer.status, await answer.text()]).toEqual([200, ''])
    }
    for (const answer of [
      await fetch(url, { method: 'POST' }),
      await seen.fetch(new Request(url, { method: 'POST' })),
    ]) {
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
    }
    await new Promise((closed) => server.close(closed))
  })

  test('is answered with status 500 if a foreign collector fails', async () => {
    const registry = new Registry()
    const collect = () => {
      throw new Error('no token 123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA')
    }
    new Counter({ name: 'broken_total', help: 'Broken.', registers: [registry], collect })
    const answer = await metrics(sentinel(), { registry }).fetch(new Request('http://localhost/'))
    expect([answer.status, await answer.text()]).toEqual([500, 'Error: no token 123456:<redacted>\n'])
  })

  test('passes the checks of promtool', async () => {
    const { promtool } = await needPrometheus()
    const stage = desk({ storage: later(memory()), throttle: { limit: '1/1m', shadow: true } })
    const seen = metrics(stage.guard)
    await stage.says(7, 'a', 'b')
    const { status, stdout, stderr } = spawnSync(promtool, ['check', 'metrics'], {
      input: await seen.registry.metrics(),
      encoding: 'utf8',
    })
    expect([stdout, stderr, status]).toEqual(['', '', 0])
    await stage.guard.close()
  })
})

describe('the parser used in these tests', () => {
  test.each([
    ['# TYPE a_total counter\na_total 1\n', 'no help'],
    ['# HELP a A.\n# TYPE a gauge\na 1', 'does not end'],
    ['# HELP a A.\n# TYPE a counter\na 1\n', 'not called _total'],
    ['# HELP a_total A.\n# TYPE a_total counter\na_total -1\n', 'below zero'],
    ['# HELP a A.\n# TYPE a gauge\nb 1\n', 'out of place'],
    ['# HELP a A.\n# TYPE a gauge\na{x="1"} 1\na{x="1"} 2\n', 'a series twice'],
    ['# HELP a A.\n# TYPE a gauge\na{x="1} 1\n', 'no labels'],
    [
      '# HELP a A.\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n',
      'fall',
    ],
    ['# HELP a A.\n# TYPE a histogram\na_bucket{le="1"} 1\na_sum 1\na_count 1\n', 'bounds'],
    ['# HELP a A.\n# TYPE a histogram\na_bucket{le="+Inf"} 1\na_sum 1\na_count 2\n', 'not the count'],
  ])('refuses %j', (text, problem) => {
    expect(() => parseExposition(text)).toThrow(problem)
  })
})
