import { GrammyError } from 'grammy'
import { pino } from 'pino'
import { type LoggingOptions, logging, type SentinelLog } from '../../src/observability/logging/index.js'
import { type Desk, desk, joins, says } from '../sentinel-desk.js'

const TOKEN = '123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'

type Line = Record<string, unknown>

/** A sentinel that is logged, and what was logged. */
function logged(
  options: LoggingOptions & { parent?: object } = {},
  guarded: Parameters<typeof desk>[0] = {},
): { stage: Desk; log: SentinelLog; lines: Line[]; raw(): string } {
  const texts: string[] = []
  const stage = desk(guarded)
  const { parent, ...own } = options
  const logger = pino(
    { level: 'debug', base: null, timestamp: false, ...parent },
    { write: (line) => void texts.push(line) },
  )
  const log = logging(stage.guard, { logger, clock: stage.time.clock, timers: stage.time.timers, ...own })
  return {
    stage,
    log,
    get lines() {
      return texts.map((text) => JSON.parse(text) as Line)
    },
    raw: () => texts.join(''),
  }
}

test('a denial is an entry of its guard, with ids and no text', async () => {
  const seen = logged({}, { throttle: { limit: '1/1m' } })
  await seen.stage.says(7, 'first', 'and my secret')
  expect(seen.lines).toEqual([
    {
      level: 30,
      guard: 'throttle',
      limit: 'user',
      reason: 'limited',
      retryAfterMs: 60_000,
      update: expect.any(Number),
      activity: 'message',
      kind: 'message',
      actor: 7,
      chat: 7,
      msg: 'denied',
    },
  ])
  expect(seen.raw()).not.toContain('secret')
})

test('of a flood so many are logged as asked for, and how many were not', async () => {
  const seen = logged({ sample: '3/10s' }, { throttle: { limit: '1/1m' }, notices: { budget: '1/1h' } })
  await seen.stage.says(7, ...Array.from({ length: 101 }, (_, nth) => `nth ${nth}`))
  expect(seen.lines.map(({ msg }) => msg)).toEqual(['denied', 'denied', 'denied'])
  seen.stage.time.advance(10_000)
  expect(seen.lines.at(-1)).toEqual({
    level: 30,
    guard: 'throttle',
    leftOut: 97,
    within: '10000 ms',
    what: 'denied',
    detail: 'limited',
    msg: '97 more not logged',
  })
  await seen.stage.says(7, 'again')
  expect(seen.lines.at(-1)?.msg).toBe('denied')
})

test('what was left out is told when it closes, and nothing after that', async () => {
  const seen = logged({ sample: '1/10s' }, { throttle: { limit: '1/1m' } })
  await seen.stage.says(7, 'a', 'b', 'c', 'd')
  seen.log.close()
  expect(seen.lines.map(({ msg }) => msg)).toEqual(['denied', '2 more not logged'])
  await seen.stage.says(7, 'e')
  seen.stage.time.advance(60_000)
  expect(seen.lines).toHaveLength(2)
})

test('guards and reasons are sampled apart, and not at all if so asked', async () => {
  const seen = logged({ sample: '1/10s' }, { throttle: { limit: '1/1m' } })
  await seen.stage.guard.block(8)
  for (const from of [7, 7, 7, 8, 8]) await seen.stage.handle(says(from, 'x'))
  const denied = seen.lines.filter(({ msg }) => msg === 'denied')
  expect(denied.map(({ guard }) => guard)).toEqual(['throttle', 'block'])
  const all = logged({ sample: false }, { throttle: { limit: '1/1m' } })
  await all.stage.says(7, ...Array.from({ length: 31 }, () => 'x'))
  expect(all.lines).toHaveLength(30)
})

test('each guard has a logger of its own, and its level is that of its entries', async () => {
  const seen = logged({}, { throttle: { limit: '1/1m' } })
  expect(seen.log.of('throttle').bindings()).toEqual({ guard: 'throttle' })
  expect(seen.log.of('throttle')).toBe(seen.log.of('throttle'))
  seen.log.of('throttle').level = 'warn'
  await seen.stage.guard.block(8, { reason: 'spam' })
  for (const from of [7, 7, 8]) await seen.stage.handle(says(from, 'x'))
  expect(seen.lines.map(({ guard, msg, note }) => [guard, msg, note])).toEqual([
    [undefined, 'blocked', undefined],
    ['block', 'denied', 'spam'],
  ])
})

test('members, marks, shadows and what passes, if asked for', async () => {
  const seen = logged({ allowed: true }, { throttle: { limit: '1/1m', shadow: true } })
  await seen.stage.handle(joins(9))
  await seen.stage.guard.block(8, { reason: 'spam' })
  await seen.stage.guard.unblock(8)
  await seen.stage.says(7, 'a', 'b')
  expect(seen.lines.map(({ level, msg }) => `${level} ${msg}`)).toEqual([
    '30 membership: joined',
    '20 allowed',
    '30 blocked',
    '30 unblocked',
    '20 allowed',
    '30 would be denied',
    '20 allowed',
  ])
  expect(seen.lines.find(({ msg }) => msg === 'blocked')).toMatchObject({
    bot: 42,
    subject: 'u8',
    reason: 'spam',
  })
})

test('failures spare the console, and tell no tokens, passwords or texts', async () => {
  const api = new GrammyError(
    `failed with ${TOKEN}`,
    { ok: false, error_code: 400, description: 'Bad Request' },
    'sendMessage',
    { chat_id: 7, text: 'my secret' },
  )
  const seen = logged(
    {},
    {
      throttle: {
        limit: '9/1m',
        cost: () => {
          throw Object.assign(api, { at: 'postgres://bot:hunter2@db/shop', ctx: { text: 'my secret' } })
        },
      },
    },
  )
  await seen.stage.says(7, 'a')
  expect(seen.lines).toEqual([
    {
      level: 50,
      during: 'throttle.user',
      err: {
        type: 'GrammyError',
        message: expect.stringContaining('123456:<redacted>'),
        stack: expect.stringContaining('123456:<redacted>'),
        code: 400,
      },
      msg: 'throttle.user failed',
    },
  ])
  for (const secret of [TOKEN, 'hunter2', 'my secret']) expect(seen.raw()).not.toContain(secret)
})

describe('your own entries', () => {
  const update = { update_id: 1, message: { text: 'my secret', caption: 'my secret', from: { id: 7 } } }

  test('are redacted alike, at any depth, contexts too', async () => {
    const seen = logged({ hide: ['Email'] })
    const ctx = { update, api: { token: TOKEN }, me: { id: 42 } }
    seen.log.logger.info(
      { ctx, list: [{ password: 'hunter2' }], url: `https://x/bot${TOKEN}/getMe`, email: 'a@b' },
      'seen',
    )
    expect(seen.lines).toEqual([
      {
        level: 30,
        ctx: {
          update: { update_id: 1, message: { text: '[redacted]', caption: '[redacted]', from: { id: 7 } } },
        },
        list: [{ password: '[redacted]' }],
        url: 'https://x/bot123456:<redacted>/getMe',
        email: '[redacted]',
        msg: 'seen',
      },
    ])
    for (const secret of [TOKEN, 'hunter2', 'my secret', 'a@b']) expect(seen.raw()).not.toContain(secret)
  })

  test('may hold texts if you say so, and never tokens', async () => {
    const seen = logged({ texts: true })
    seen.log.logger.info({ update, token: TOKEN })
    expect(seen.raw()).toContain('my secret')
    expect(seen.raw()).not.toContain(TOKEN)
  })

  test('keep the redaction, the serializers and the formatter of your logger', async () => {
    const seen = logged({
      parent: {
        redact: ['mine'],
        serializers: { size: (value: number) => `${value} kB` },
        formatters: { log: (entry: object) => ({ ...entry, formatted: true }) },
      },
    })
    seen.log.logger.info({ mine: 'secret', size: 3, text: 'my secret' })
    expect(seen.lines).toEqual([
      { level: 30, mine: '[Redacted]', size: '3 kB', text: '[redacted]', formatted: true },
    ])
  })

  test('survive what is odd about objects', async () => {
    const seen = logged()
    const round: Record<string, unknown> = { at: new Date(0), big: 12n, call: () => 1 }
    round.self = round
    seen.log.logger.info({
      round,
      long: Array.from({ length: 1000 }, () => 'x'),
      __proto__: null,
      none: null,
    })
    expect(seen.lines[0]).toMatchObject({ round: { at: '1970-01-01T00:00:00.000Z', big: '12' }, none: null })
    expect(seen.lines[0]?.long).toHaveLength(100)
  })
})

test('a wrong option is named', () => {
  expect(() => logged({ sampel: '1/1s' } as object)).toThrow(/sampel.*sample/)
  expect(() => logged({ logger: {} as never })).toThrow(/logging.logger/)
})
