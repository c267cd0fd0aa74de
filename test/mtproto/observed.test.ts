import { context, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { Bot } from 'grammy'
import type { MtprotoClient } from '../../src/mtproto/index.js'
import { metrics } from '../../src/observability/metrics/index.js'
import { tracing } from '../../src/observability/tracing/index.js'
import { sentinel } from '../../src/sentinel.js'
import { account, alice, face, client as made, onStage, telegram } from './stage.js'

onStage()

let client: MtprotoClient

beforeEach(async () => {
  client = made()
})

/** Returns the MTProto metrics as lines with their values, without buckets. */
async function scraped(seen: {
  readonly registry: { metrics(): Promise<string> }
}): Promise<Map<string, number>> {
  const lines = (await seen.registry.metrics()).split('\n')
  const told = lines.filter((line) => line.startsWith('sentinel_mtproto_') && !line.includes('_bucket'))
  return new Map(told.map((line) => [line.replace(/ \S+$/, ''), Number(line.replace(/^.* /, ''))]))
}

test('calls, errors, connections, bytes, waits and gaps are metrics, and no label contains a name or id', async () => {
  const seen = metrics(sentinel(), { mtproto: client, name: 'shop' })
  const bot = new Bot(account.token, account.config)
  const heard: string[] = []
  let hear: () => void = () => undefined
  bot.on('message:text', ({ message }) => {
    heard.push(message.text)
    hear()
  })
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account], username: 'plaza' })
  await client.bridge(bot)
  const until = (count: number): Promise<void> =>
    new Promise((resolve) => {
      hear = () => (heard.length >= count ? resolve() : undefined)
      hear()
    })
  await alice.in(plaza).sends('first')
  await until(1)
  face.deliverBy(() => undefined)
  for (let n = 0; n < 5; n++) await alice.in(plaza).sends(`missed ${n}`)
  face.deliverBy((send) => send())
  await alice.in(plaza).sends('last')
  await until(7)
  face.fail('contacts.resolveUsername', 420, 'FLOOD_WAIT_1')
  telegram.createUser({ firstName: 'Bob', username: 'nobody_met' })
  await client.resolve('nobody_met')
  await expect(client.resolve('nobody_at_all')).rejects.toMatchObject({ reason: 'USERNAME_NOT_OCCUPIED' })

  const told = await scraped(seen)
  const own = 'sentinel="shop"'
  const { connections, bytesIn, bytesOut, waits } = client.counts()
  expect(waits).toBeGreaterThan(0)
  const method = 'method="contacts.resolveUsername"'
  expect(Object.fromEntries(told)).toMatchObject({
    [`sentinel_mtproto_call_duration_seconds_count{${own},${method},outcome="ok"}`]: 1,
    [`sentinel_mtproto_call_duration_seconds_count{${own},${method},outcome="failed"}`]: 2,
    [`sentinel_mtproto_errors_total{${own},error="FLOOD_WAIT"}`]: 1,
    [`sentinel_mtproto_errors_total{${own},error="USERNAME_NOT_OCCUPIED"}`]: 1,
    [`sentinel_mtproto_wait_duration_seconds_count{${own},${method}}`]: waits,
    [`sentinel_mtproto_gap_duration_seconds_count{${own},of="channel"}`]: 1,
    [`sentinel_mtproto_connections_total{${own}}`]: connections,
    [`sentinel_mtproto_bytes_total{${own},direction="in"}`]: bytesIn,
    [`sentinel_mtproto_bytes_total{${own},direction="out"}`]: bytesOut,
    [`sentinel_mtproto_too_long_total{${own}}`]: 0,
    [`sentinel_mtproto_handling{${own}}`]: 0,
  })
  for (const line of told.keys()) expect(line).not.toMatch(/alice|plaza|nobody|\d{5}/i)
  seen.close()
  await client.dossier(alice.id)
  expect([...(await scraped(seen))]).toEqual([])
})

test('labels are bounded: unknown methods and errors are counted without their text', async () => {
  const watches = new Set<{ call?(method: string): ((error: string | undefined) => void) | undefined }>()
  const seen = metrics(sentinel(), {
    mtproto: {
      watch: (watch) => {
        watches.add(watch)
        return () => watches.delete(watch)
      },
      counts: () => ({ connections: 0, bytesIn: 0, bytesOut: 0, tooLong: 0, handling: 0 }),
    },
  })
  for (const watch of watches) {
    for (let n = 0; n < 2000; n++) watch.call?.(`messages.made${n}`)?.('OK')
    watch.call?.('call 5000001')?.('Alice said no')
  }
  const told = [...(await scraped(seen)).keys()]
  expect(told.filter((line) => line.includes('_count')).length).toBeLessThanOrEqual(502)
  expect(told.join('\n')).not.toMatch(/Alice|5000001/)
})

test('a registry contains MTProto metrics only if a client is given', async () => {
  const seen = metrics(sentinel())
  expect(await seen.registry.metrics()).not.toContain('sentinel_mtproto_')
  expect(() => metrics(sentinel(), { mtproto: {} as never })).toThrow(
    /mtproto: .*must be a client of MTProto/,
  )
})

describe('in tracing', () => {
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })

  beforeEach(() => {
    exporter.reset()
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  })
  afterEach(() => context.disable())

  test('each call is a span under its caller, waits as well, and errors have their type', async () => {
    const stop = tracing(sentinel(), { provider, mtproto: client })
    await client.connect()
    exporter.reset()
    face.fail('contacts.resolveUsername', 420, 'FLOOD_WAIT_1')
    const tracer = provider.getTracer('of the bot')
    const around = tracer.startSpan('own')
    await context.with(trace.setSpan(context.active(), around), () => client.resolve('alice'))
    around.end()
    stop()
    await client.dossier(alice.id)
    const spans = exporter.getFinishedSpans()
    expect(spans.map(({ name }) => name)).toEqual([
      'mtproto contacts.resolveUsername',
      'mtproto.wait',
      'mtproto contacts.resolveUsername',
      'own',
    ])
    const [refused, wait, answered] = spans
    expect(refused?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'FLOOD_WAIT' })
    expect(refused?.attributes).toEqual({
      'rpc.system': 'mtproto',
      'rpc.method': 'contacts.resolveUsername',
      'error.type': 'FLOOD_WAIT',
    })
    expect(answered?.status.code).toBe(SpanStatusCode.UNSET)
    for (const span of [refused, wait, answered])
      expect(span?.parentSpanContext?.spanId).toBe(around.spanContext().spanId)
  })
})
