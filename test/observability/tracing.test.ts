import { context, propagation, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  AlwaysOffSampler,
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { Bot } from 'grammy'
import { hooks, sentinel, throttle } from '../../src/index.js'
import { tracing } from '../../src/observability/tracing/index.js'
import { Extras } from '../extras.js'
import { Stage } from '../middleware/rig.js'
import { type Desk, desk, joins, later, says } from '../sentinel/desk.js'
import { until } from '../servers/until.js'

const exporter = new InMemorySpanExporter()
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
const contexts = new AsyncLocalStorageContextManager().enable()

beforeEach(() => {
  exporter.reset()
  context.setGlobalContextManager(contexts)
  trace.setGlobalTracerProvider(provider)
})
afterEach(() => {
  trace.disable()
  context.disable()
  propagation.disable()
})

/** Returns the names of spans, indented under their parents. */
function tree(spans: readonly ReadableSpan[] = exporter.getFinishedSpans()): string[] {
  const ids = new Set(spans.map((span) => span.spanContext().spanId))
  const under = (parent: string | undefined, depth: number): string[] =>
    spans
      .filter(({ parentSpanContext }) =>
        parent === undefined
          ? parentSpanContext === undefined || !ids.has(parentSpanContext.spanId)
          : parentSpanContext?.spanId === parent,
      )
      .flatMap((span) => [
        `${'  '.repeat(depth)}${span.name}`,
        ...under(span.spanContext().spanId, depth + 1),
      ])
  return under(undefined, 0)
}

function named(name: string): ReadableSpan {
  const found = exporter.getFinishedSpans().filter((span) => span.name === name)
  expect(found).toHaveLength(1)
  return found[0] as ReadableSpan
}

/** Adds a handler that creates a span at once, and another after a wait. */
function handling(bot: { use: Desk['bot']['use'] }): void {
  bot.use(async () => {
    const tracer = trace.getTracer('of the bot')
    tracer.startSpan('own, at once').end()
    await new Promise((done) => setImmediate(done))
    tracer.startSpan('own, later').end()
  })
}

test.each([
  ['that answers at once', undefined],
  ['that takes a while', later()],
])('an update is a span with spans of guards, storage and handlers: a storage %s', async (_, storage) => {
  const stage = desk(
    { ...(storage && { storage }), auth: { registration: 'auto', resolve: async () => true } },
    handling,
  )
  tracing(stage.guard)
  await stage.says(7, 'hello')
  await stage.quiet()
  const aside = tree().filter((line) => line.includes('background'))
  expect(aside).toContain('    sentinel.background auth.register')
  expect(tree().filter((line) => !aside.includes(line))).toEqual([
    'sentinel.update',
    '  sentinel.storage evaluate',
    '  sentinel.guard block',
    '  sentinel.guard once',
    '  sentinel.guard auth',
    '  sentinel.guard throttle',
    '  sentinel.guard auth',
    '  sentinel.handlers',
    '    own, at once',
    '    own, later',
  ])
  expect(named('sentinel.update').attributes).toEqual({
    'telegram.update_id': expect.any(Number),
    'telegram.bot': 42,
    'telegram.update_kind': 'message',
    'telegram.activity': 'message',
    'telegram.chat_type': 'private',
    'sentinel.verdict': 'allowed',
  })
  const attributes = exporter.getFinishedSpans().map((span) => span.attributes)
  expect(JSON.stringify(attributes)).not.toContain('hello')
  // A step that a guard runs only for its own use is not a shadow denial.
  expect(attributes.flatMap((each) => each['sentinel.outcome'] ?? [])).toEqual(Array(4).fill('passed'))
  await stage.guard.close()
})

test('a denied update has the guard and the reason as attributes, and no handlers', async () => {
  const stage = desk({ throttle: { limit: '1/1m' } })
  tracing(stage.guard, { ids: true })
  await stage.says(7, 'a')
  exporter.reset()
  await stage.says(7, 'b')
  await stage.quiet()
  expect(named('sentinel.update').attributes).toMatchObject({
    'sentinel.verdict': 'denied',
    'sentinel.guard': 'throttle',
    'sentinel.limit': 'user',
    'sentinel.reason': 'limited',
    'telegram.actor': 7,
    'telegram.chat': 7,
  })
  expect(named('sentinel.guard throttle').attributes['sentinel.outcome']).toBe('refused')
  expect(named('sentinel.guard block').attributes['sentinel.outcome']).toBe('passed')
  expect(tree()).not.toContainEqual(expect.stringContaining('handlers'))
  // The notice is sent in the background, but its span belongs to the update.
  expect(tree()).toContain('  sentinel.background notice')
})

test('a denial in shadow mode is an event of the update', async () => {
  const stage = desk({ throttle: { limit: '1/1m', shadow: true } })
  tracing(stage.guard)
  await stage.says(7, 'a')
  exporter.reset()
  await stage.says(7, 'b')
  expect(
    named('sentinel.update').events.map(({ name, attributes }) => [name, attributes?.['sentinel.reason']]),
  ).toEqual([['sentinel.shadow', 'limited']])
  expect(named('sentinel.guard throttle').attributes['sentinel.outcome']).toBe('shadow')
})

test('hooks are spans under the update', async () => {
  const stage = desk({})
  tracing(stage.guard)
  stage.guard.hook('before:throttle', async function counting() {
    await new Promise((done) => setImmediate(done))
  })
  await stage.says(7, 'a')
  const hook = named('sentinel.hook counting')
  expect(hook.parentSpanContext?.spanId).toBe(named('sentinel.update').spanContext().spanId)
})

test('the span of a hook that hangs ends at its time-out, with an error', async () => {
  const stage = desk({})
  tracing(stage.guard)
  stage.guard.on('error', () => undefined)
  stage.guard.hook('before:throttle', { name: 'hangs', run: () => new Promise(() => undefined) })
  const handled = stage.says(7, 'a')
  await new Promise((done) => setImmediate(done))
  stage.time.advance(1000)
  await handled
  const hook = named('sentinel.hook hangs')
  expect(hook.parentSpanContext?.spanId).toBe(named('sentinel.update').spanContext().spanId)
  expect(hook.status).toEqual({ code: SpanStatusCode.ERROR, message: 'SentinelError' })
  expect(hook.events[0]?.attributes?.['exception.message']).toContain('took longer than 1000 ms')
})

test('a background hook belongs to the trace of its update, with all spans that it creates', async () => {
  const stage = desk({})
  tracing(stage.guard)
  const audit = hooks.background(async function auditing() {
    await new Promise((done) => setImmediate(done))
    trace.getTracer('of the hook').startSpan('own, of the hook').end()
  })
  stage.guard.hook('allowed', audit)
  await stage.says(7, 'a')
  await until('it ran', () => exporter.getFinishedSpans().some(({ name }) => name === 'own, of the hook'))
  const own = named('own, of the hook')
  expect(own.spanContext().traceId).toBe(named('sentinel.update').spanContext().traceId)
  await until('it ended', () => exporter.getFinishedSpans().some(({ name }) => name.endsWith(' auditing')))
  const hook = exporter.getFinishedSpans().find(({ name }) => name.endsWith(' auditing'))
  expect(own.parentSpanContext?.spanId).toBe(hook?.spanContext().spanId)
})

test('a burst is handled in the trace of its last update, with links to the others', async () => {
  const stage = desk({ debounce: { mode: 'trailing', window: '1s' }, throttle: false }, handling)
  tracing(stage.guard)
  await stage.says(7, 'a')
  await stage.says(7, 'b')
  const updates = exporter.getFinishedSpans().filter(({ name }) => name === 'sentinel.update')
  expect(updates).toHaveLength(2)
  stage.time.advance(1000)
  await until('it was handled', () =>
    exporter.getFinishedSpans().some(({ name }) => name === 'sentinel.handlers'),
  )
  const handlers = named('sentinel.handlers')
  expect(handlers.parentSpanContext?.spanId).toBe(updates[1]?.spanContext().spanId)
  expect(handlers.links.map((link) => link.context.traceId)).toEqual([updates[0]?.spanContext().traceId])
  expect(named('own, later').parentSpanContext?.spanId).toBe(handlers.spanContext().spanId)
})

test.each([
  ['an update', {}],
  ['a burst', { debounce: { mode: 'trailing', window: '1s' } }],
] as const)('%s has a span for the handlers of each branch of a fork', async (_, options) => {
  const time = new Stage()
  const { clock, timers } = time
  const guard = sentinel({ clock, timers, ...options })
  tracing(guard)
  const { account, config } = new Extras(clock).hire(42)
  const bot = new Bot(account.token, config)
  bot.fork(guard.middleware(), () => trace.getTracer('of the bot').startSpan('of fork').end())
  bot.use(guard, () => trace.getTracer('of the bot').startSpan('of main').end())
  await bot.handleUpdate(says(7, 'a'))
  time.advance(1000)
  const handled = () => exporter.getFinishedSpans().filter(({ name }) => name === 'sentinel.handlers')
  await until('both were handled', () => handled().length === 2)
  const handlers = handled()
  const update = named('sentinel.update').spanContext().spanId
  expect(handlers.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual([update, update])
  const within = ['of fork', 'of main'].map((name) => named(name).parentSpanContext?.spanId)
  expect(within.sort()).toEqual(handlers.map((span) => span.spanContext().spanId).sort())
  await guard.close()
})

test('waiting for a place of concurrency is a span of its update; a free place creates none', async () => {
  let end = (): void => undefined
  const stage = desk({ concurrency: { queue: 1 }, throttle: false }, (bot) =>
    bot.use(({ msg }) => (msg?.text === 'wait' ? new Promise<void>((done) => (end = done)) : undefined)),
  )
  tracing(stage.guard)
  await stage.says(7, 'the guard loads its module')
  exporter.reset()
  const first = stage.says(7, 'wait')
  await until('the first is handled', () => stage.reached.length === 2)
  const second = stage.says(7, 'b')
  await until('the second waits', async () => (await stage.guard.health()).held.concurrency === 1)
  end()
  await first
  await second
  const updates = exporter.getFinishedSpans().filter(({ name }) => name === 'sentinel.update')
  expect(updates).toHaveLength(2)
  const held = named('sentinel.background held')
  expect(held.parentSpanContext?.spanId).toBe(updates[1]?.spanContext().spanId)
})

describe('a burst that is held back', () => {
  const fired = (name: string): Promise<void> =>
    until(`${name} is over`, () => exporter.getFinishedSpans().some((span) => span.name === name))
  const bursts = { debounce: { mode: 'trailing', window: '1s' }, throttle: false } as const

  test('has later hooks and its refusal in its trace', async () => {
    const stage = desk({ ...bursts, concurrency: { scope: 'user', most: 1, queue: 0 } }, (bot) =>
      bot.use(() => new Promise(() => undefined)),
    )
    tracing(stage.guard)
    stage.guard.hook('after:concurrency', async function late() {
      await new Promise((done) => setImmediate(done))
      trace.getTracer('of the hook').startSpan('own, of the hook').end()
    })
    await stage.says(7, 'a', 'b')
    stage.time.advance(1000)
    await fired('sentinel.background held')
    const update = exporter.getFinishedSpans().filter(({ name }) => name === 'sentinel.update')[1]
    const held = named('sentinel.background held')
    expect(held.parentSpanContext?.spanId).toBe(update?.spanContext().spanId)
    expect(held.links).toHaveLength(1)
    const hook = named('sentinel.hook late')
    expect(hook.parentSpanContext?.spanId).toBe(held.spanContext().spanId)
    expect(named('own, of the hook').parentSpanContext?.spanId).toBe(hook.spanContext().spanId)
    // The handlers of the first burst hang, so there is no place for another burst in another chat.
    exporter.reset()
    for (const text of ['c', 'd']) await stage.handle(says(7, text, { group: true }))
    stage.time.advance(1000)
    await fired('sentinel.background held')
    expect(named('sentinel.background held').attributes).toMatchObject({
      'sentinel.verdict': 'denied',
      'sentinel.guard': 'concurrency',
    })
  })

  test('records denials and shadow denials by guards of handlers on the span of its handlers', async () => {
    const own = { limit: '1/1m', name: 'own' } as const
    const stage = desk(bursts, (bot) => {
      bot.use(throttle({ ...own, name: 'lenient', shadow: true }))
      bot.use(throttle(own), () => undefined)
    })
    tracing(stage.guard)
    for (let i = 0; i < 2; i++) {
      exporter.reset()
      await stage.says(7, 'a', 'b')
      stage.time.advance(1000)
      await fired('sentinel.handlers')
    }
    const handlers = named('sentinel.handlers')
    expect(handlers.attributes).toMatchObject({
      'sentinel.verdict': 'denied',
      'sentinel.guard': 'throttle',
      'sentinel.limit': 'own',
      'telegram.activity': 'message',
    })
    expect(handlers.events.map(({ attributes }) => attributes?.['sentinel.limit'])).toEqual(['lenient'])
  })
})

test('an error of a handler is recorded without secrets, and reaches the bot unchanged', async () => {
  const thrown = new Error('of 123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA')
  const stage = desk({}, (bot) =>
    bot.use(() => {
      throw thrown
    }),
  )
  tracing(stage.guard)
  await expect(stage.says(7, 'a')).rejects.toMatchObject({ error: thrown })
  for (const span of [named('sentinel.update'), named('sentinel.handlers')]) {
    expect(span.status.code).toBe(SpanStatusCode.ERROR)
    expect(span.events[0]?.attributes?.['exception.message']).toBe('of 123456:<redacted>')
  }
})

test.each([
  ['an object without a prototype', Object.create(null), 'a value without a text'],
  [
    'an error whose message is no text',
    Object.assign(new Error(), { message: { code: 1 } }),
    '[object Object]',
  ],
])('%s ends its span, and reaches the bot unchanged', async (_, thrown, message) => {
  const { guard, bot, handle } = desk()
  tracing(guard)
  bot.use(() => {
    throw thrown
  })
  await expect(handle(says(7, 'hello'))).rejects.toMatchObject({ error: thrown })
  for (const name of ['sentinel.handlers', 'sentinel.update'])
    expect(named(name).events.at(-1)?.attributes).toMatchObject({ 'exception.message': message })
})

test('listeners of memberships run within the span of the update', async () => {
  const stage = desk()
  tracing(stage.guard)
  const joined: unknown[] = []
  stage.guard.on('warning', () => undefined)
  stage.guard.membership.on('joined', () => {
    joined.push(trace.getActiveSpan())
  })
  await stage.handle(joins(9))
  expect(joined[0]).toBeDefined()
})

test('an update within an existing trace belongs to that trace', async () => {
  const stage = desk()
  tracing(stage.guard)
  const outer = trace.getTracer('of the server').startSpan('request')
  await context.with(trace.setSpan(context.active(), outer), () => stage.says(7, 'a'))
  outer.end()
  expect(tree().slice(0, 2)).toEqual(['request', '  sentinel.update'])
})

test('an unsampled update creates no further spans, and handlers see the unsampled context', async () => {
  trace.disable()
  trace.setGlobalTracerProvider(new BasicTracerProvider({ sampler: new AlwaysOffSampler() }))
  const seen: unknown[] = []
  const stage = desk({}, (bot) =>
    bot.use(() => void seen.push(trace.getActiveSpan()?.spanContext().traceFlags)),
  )
  tracing(stage.guard)
  await stage.says(7, 'a')
  expect(seen).toEqual([0])
})

test('a provider can be passed as an option', async () => {
  trace.disable()
  const stage = desk()
  tracing(stage.guard, { provider })
  await stage.says(7, 'a')
  expect(tree()[0]).toBe('sentinel.update')
  expect(() => tracing(sentinel(), { provider: {} as never })).toThrow(/tracing.provider/)
})

test('spans begin when an SDK is registered later, and end with stop()', async () => {
  trace.disable()
  const stage = desk()
  const stop = tracing(stage.guard)
  await stage.says(7, 'a')
  trace.setGlobalTracerProvider(provider)
  await stage.says(7, 'b')
  expect(exporter.getFinishedSpans().filter(({ name }) => name === 'sentinel.update')).toHaveLength(1)
  stop()
  await stage.handle(says(7, 'c'))
  expect(exporter.getFinishedSpans().filter(({ name }) => name === 'sentinel.update')).toHaveLength(1)
})
