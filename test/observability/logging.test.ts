import { jest } from '@jest/globals'
import { GrammyError } from 'grammy'
import { pino } from 'pino'
import { type LoggingOptions, logging, type SentinelLog } from '../../src/observability/logging/index.js'
import { type Desk, desk, joins, says } from '../sentinel/desk.js'
import { until } from '../servers/until.js'

const TOKEN = '123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'

type Line = Record<string, unknown>

/** A sentinel whose events are logged, and the log entries. */
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

test('a denial is logged by the logger of its guard, with ids and without text', async () => {
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

test('of many equal entries, the sampled number is logged, and then how many were left out', async () => {
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

test('close() logs how many entries were left out, and nothing is logged afterwards', async () => {
  const seen = logged({ sample: '1/10s' }, { throttle: { limit: '1/1m' } })
  await seen.stage.says(7, 'a', 'b', 'c', 'd')
  seen.log.close()
  expect(seen.lines.map(({ msg }) => msg)).toEqual(['denied', '2 more not logged'])
  await seen.stage.says(7, 'e')
  seen.stage.time.advance(60_000)
  expect(seen.lines).toHaveLength(2)
})

test('guards and reasons are sampled separately; sampling can be switched off', async () => {
  const seen = logged({ sample: '1/10s' }, { throttle: { limit: '1/1m' } })
  await seen.stage.guard.block(8)
  for (const from of [7, 7, 7, 8, 8]) await seen.stage.handle(says(from, 'x'))
  const denied = seen.lines.filter(({ msg }) => msg === 'denied')
  expect(denied.map(({ guard }) => guard)).toEqual(['throttle', 'block'])
  const all = logged({ sample: false }, { throttle: { limit: '1/1m' } })
  await all.stage.says(7, ...Array.from({ length: 31 }, () => 'x'))
  expect(all.lines).toHaveLength(30)
})

test('left out failures are reported at the level of failures, with the name of the hook', async () => {
  const boom = (): never => {
    throw new Error('boom')
  }
  for (const level of ['debug', 'error']) {
    const seen = logged({ sample: '1/10s', parent: { level } }, { throttle: false })
    seen.stage.guard.hook('before:block', { name: 'audit trail', run: boom })
    await seen.stage.says(7, ...Array.from({ length: 20 }, () => 'x'))
    seen.stage.time.advance(10_000)
    expect(seen.lines).toEqual([
      { level: 50, during: 'hook audit trail', err: expect.anything(), msg: 'hook audit trail failed' },
      {
        level: 50,
        leftOut: 19,
        within: '10000 ms',
        what: 'error',
        detail: 'hook audit trail',
        msg: '19 more not logged',
      },
    ])
  }
})

test('beyond 200 kinds of entries, the rest are sampled together for each level', async () => {
  const seen = logged({ sample: '1/10s', parent: { level: 'error' } }, { throttle: false })
  for (let i = 0; i < 210; i++) {
    const run = (): never => {
      throw new Error('boom')
    }
    seen.stage.guard.hook('before:block', { name: `hook ${i}`, run })
  }
  await seen.stage.says(7, 'x')
  expect(seen.lines).toHaveLength(201)
  seen.log.close()
  expect(seen.lines.at(-1)).toEqual({
    level: 50,
    leftOut: 9,
    within: '10000 ms',
    what: 'other',
    msg: '9 more not logged',
  })
})

test('each guard has its own logger, whose level applies to its entries', async () => {
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

test('memberships, marks, shadow denials and, on request, allowed updates are logged', async () => {
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

test('suspected users and changes of chat settings are logged once each', async () => {
  const dossier = { dossier: async () => ({ profile: { isScam: true } }) }
  const settings = { throttle: { min: '2/1h', max: '8/1h' }, notices: true } as const
  const seen = logged(
    {},
    { auth: { registration: 'auto', dossier, denyScam: true }, throttle: '4/1h', settings },
  )
  await seen.stage.says(7, 'a')
  await until('they are suspected', () => seen.raw().includes('suspected'))
  await seen.stage.guard.settings.set(-1001000000001, { limits: { user: '2/1h' }, notices: false })
  const told = seen.lines.map(({ msg }) => msg).filter((msg) => msg !== 'registered')
  expect(told).toEqual(['suspected', 'a limit changed', 'a setting changed'])
})

test('failures are logged instead of printed, without tokens, passwords and texts', async () => {
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

describe('entries of your own', () => {
  const update = { update_id: 1, message: { text: 'my secret', caption: 'my secret', from: { id: 7 } } }

  test('are redacted in the same way, at any depth, including contexts', async () => {
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

  test('may contain texts with `texts: true`, but never tokens', async () => {
    const seen = logged({ texts: true })
    seen.log.logger.info({ update, token: TOKEN })
    expect(seen.raw()).toContain('my secret')
    expect(seen.raw()).not.toContain(TOKEN)
  })

  test('keep the redaction, the serializers and the formatter of the logger', async () => {
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

  test('may contain circular references, long lists and objects without a prototype', async () => {
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

  test('are passed to serializers unchanged, and the results are redacted', () => {
    class Member {
      constructor(readonly id: number) {}
      describe(): object {
        return { id: this.id, via: `https://x/bot${TOKEN}/getMe`, token: TOKEN }
      }
    }
    const describe = (member: Member): object => member.describe()
    const request = Object.assign(
      Object.create({
        get headers() {
          return { accept: '*/*', 'set-cookie': ['a=hunter2'], 'X-Telegram-Bot-Api-Secret-Token': 'hunter2' }
        },
      }),
      { method: 'POST', url: `/bot${TOKEN}`, socket: {} },
    )
    const told = { id: 7, via: 'https://x/bot123456:<redacted>/getMe', token: '[redacted]' }
    const seen = logged({ parent: { serializers: { member: describe, req: pino.stdSerializers.req } } })
    seen.log.logger.info({ member: new Member(7), req: request })
    expect(seen.lines.pop()).toMatchObject({
      member: told,
      req: {
        headers: {
          accept: '*/*',
          'set-cookie': '[redacted]',
          'X-Telegram-Bot-Api-Secret-Token': '[redacted]',
        },
        url: '/bot123456:<redacted>',
      },
    })
    // The same for serializers and bindings of children.
    const child = seen.log.logger.child({ by: new Member(7) }, { serializers: { by: describe } })
    child.child({ part: 1 }).info({ by: new Member(7), member: new Member(7), password: 'hunter2' })
    expect(seen.lines.at(-1)).toEqual({
      level: 30,
      part: 1,
      by: told,
      member: told,
      password: '[redacted]',
    })
    for (const secret of [TOKEN, 'hunter2']) expect(seen.raw()).not.toContain(secret)
  })

  test('contain no secrets under any usual name', () => {
    const seen = logged({ hide: ['e-mail'] })
    const names = [
      ...['token', 'secretToken', 'botToken', 'bot_token', 'accessToken', 'access_token', 'clientSecret'],
      ...['apiKey', 'api_key', 'apiHash', 'auth-key', 'set-cookie', 'Authorization', 'passphrase', 'E_Mail'],
      'x-telegram-bot-api-secret-token',
      ...['credentials', 'passwords', 'encryptionKeys', 'session'],
    ]
    seen.log.logger.info(Object.fromEntries(names.map((name) => [name, 'hunter2'])))
    seen.log.logger.info({ mtproto: { apiId: 1, encryptionKeys: ['hunter2'], session: { of: 'a chat' } } })
    seen.log.logger.info({ tokens: 12, isSecret: true, token: null, [`of ${TOKEN}`]: 1 })
    expect(Object.values(seen.lines[0] ?? {}).filter((value) => value === '[redacted]')).toHaveLength(
      names.length,
    )
    expect(seen.lines[1]).toMatchObject({
      mtproto: { apiId: 1, encryptionKeys: '[redacted]', session: { of: 'a chat' } },
    })
    expect(seen.lines[2]).toEqual({
      level: 30,
      tokens: 12,
      isSecret: true,
      token: null,
      'of 123456:<redacted>': 1,
    })
    expect(seen.raw()).not.toContain('hunter2')
  })

  test('show a context as its update, also if the context is the entry itself', async () => {
    const seen = logged({}, { throttle: false })
    seen.stage.bot.use((ctx) => {
      seen.log.logger.info(Object.assign(ctx, { session: { diary: 'my secret' } }), 'whole')
      seen.log.logger.info({ ctx }, 'inside')
    })
    await seen.stage.says(7, 'my secret')
    const [whole, inside] = seen.lines
    expect(whole).toMatchObject({
      msg: 'whole',
      update: { message: { from: { id: 7 }, text: '[redacted]' } },
    })
    expect(Object.keys(whole ?? {})).toEqual(['level', 'update', 'msg'])
    expect(inside?.ctx).toEqual({ update: whole?.update })
    expect(seen.raw()).not.toContain('my secret')
  })

  const written: Record<string, object> = {
    'a link': { message: { entities: [{ type: 'text_link', offset: 0, length: 1, url: 'my secret' }] } },
    'a preview': { message: { link_preview_options: { url: 'my secret' } } },
    'a web app': { message: { web_app_data: { data: 'my secret', button_text: 'my secret' } } },
    'a title': { message: { new_chat_title: 'my secret' } },
    'a topic': { message: { forum_topic_created: { name: 'my secret', icon_color: 1 } } },
    'a renamed topic': { message: { forum_topic_edited: { name: 'my secret' } } },
    'a checklist': { message: { checklist: { title: 'my secret', tasks: [{ id: 1, text: 'my secret' }] } } },
    'a place': { message: { venue: { title: 'my secret', address: 'my secret' } } },
    'a contact': { message: { contact: { phone_number: 'my secret', vcard: 'my secret' } } },
    'a file': { message: { document: { file_id: 'x', file_name: 'my secret' } } },
    'an order': { pre_checkout_query: { order_info: { email: 'my secret' } } },
    'an address': { shipping_query: { shipping_address: { city: 'my secret' } } },
    'a bio': { chat_join_request: { bio: 'my secret' } },
  }
  test.each(Object.entries(written))('contain no content that people write: %s', (_, what) => {
    const seen = logged()
    seen.log.logger.info({ update: what })
    seen.log.logger.child({ update: what }).info('seen')
    expect(seen.raw()).not.toContain('my secret')
    const open = logged({ texts: true })
    open.log.logger.info({ update: what })
    expect(open.raw()).toContain('my secret')
  })

  test('contain no tokens in messages, whatever the keys of the logger and the source of the text', () => {
    const failed = new Error(`Network request for 'getMe' failed! https://x/bot${TOKEN}/getMe`)
    const seen = logged()
    const { logger } = seen.log
    logger.error(failed)
    logger.error({ err: failed })
    logger.error('failed: %s', failed)
    logger.error({ a: 1 }, 'failed: %o', { url: `https://x/bot${TOKEN}` })
    logger.error(`failed: ${TOKEN}`)
    logger.child({}, { msgPrefix: `${TOKEN} ` }).error('failed')
    logger.error({ msg: TOKEN })
    expect(seen.lines.map(({ msg }) => msg)).toEqual([
      "Network request for 'getMe' failed! https://x/bot123456:<redacted>/getMe",
      "Network request for 'getMe' failed! https://x/bot123456:<redacted>/getMe",
      expect.stringMatching(/^failed: .*123456:<redacted>/),
      'failed: {"url":"https://x/bot123456:<redacted>"}',
      'failed: 123456:<redacted>',
      '123456:<redacted> failed',
      '123456:<redacted>',
    ])
    const named = logged({
      parent: { errorKey: 'error', messageKey: 'text', serializers: { error: pino.stdSerializers.err } },
    })
    named.log.logger.error(Object.assign(failed, { payload: { text: 'my secret' } }))
    named.log.logger.error({ text: 'my secret' })
    named.log.logger.error('words')
    expect(named.lines.map(({ text, error }) => [text, error && Object.keys(error)])).toEqual([
      [
        "Network request for 'getMe' failed! https://x/bot123456:<redacted>/getMe",
        ['type', 'message', 'stack'],
      ],
      ['[redacted]', undefined],
      ['words', undefined],
    ])
    for (const secret of [TOKEN, 'my secret']) expect(seen.raw() + named.raw()).not.toContain(secret)
  })

  test('contain no secrets in bindings of a child or of the logger', () => {
    const seen = logged()
    const { logger } = seen.log
    logger.child({ token: TOKEN, update }).info('child')
    logger.child({ a: 1 }).child({ token: TOKEN }).info('grandchild')
    const own = { formatters: { bindings: (bound: object) => ({ ...bound, secret: TOKEN }) } }
    logger.child({ id: 7 }, own).info('formatted')
    logger.setBindings({ token: TOKEN, text: 'my secret' })
    logger.info('bound')
    expect(seen.lines.map(({ msg, token, secret, id }) => [msg, token, secret, id])).toEqual([
      ['child', '[redacted]', undefined, undefined],
      ['grandchild', '[redacted]', undefined, undefined],
      ['formatted', undefined, '[redacted]', 7],
      ['bound', '[redacted]', undefined, undefined],
    ])
    for (const secret of [TOKEN, 'my secret']) expect(seen.raw()).not.toContain(secret)
  })

  test('with unreadable values do not throw, and the rest is logged', () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    const lazy = {
      get x(): never {
        throw new Error('lazy')
      },
      y: 1,
    }
    const seen = logged()
    seen.log.logger.info({
      ...{ a: lazy, proxy, never: new Date(Number.NaN) },
      url: new URL('https://x/y'),
      b: 2,
    })
    seen.log.logger.info(lazy)
    expect(seen.lines).toEqual([
      {
        level: 30,
        a: { x: '[unreadable]', y: 1 },
        proxy: '[unreadable]',
        never: null,
        url: 'https://x/y',
        b: 2,
      },
      { level: 30, x: '[unreadable]', y: 1 },
    ])
  })
})

test('wrong options are named', () => {
  expect(() => logged({ sampel: '1/1s' } as object)).toThrow(/sampel.*sample/)
  expect(() => logged({ logger: {} as never })).toThrow(/logging.logger/)
})

test('a logger of another copy of pino is redacted as well, with its own message key', async () => {
  let other = pino
  await jest.isolateModulesAsync(async () => {
    ;({ pino: other } = await import('pino'))
  })
  expect(other.symbols.messageKeySym).not.toBe(pino.symbols.messageKeySym)
  const texts: string[] = []
  const serializers = { user: ({ name }: { readonly name: string }) => ({ shown: name }) }
  const logger = other(
    { base: null, timestamp: false, messageKey: 'message', serializers },
    { write: (line: string) => void texts.push(line) },
  )
  logging(desk().guard, { logger }).logger.info({ user: { name: 'Alice' } }, `words ${TOKEN}`)
  expect(texts.map((text) => JSON.parse(text))).toEqual([
    { level: 30, user: { shown: 'Alice' }, message: 'words 123456:<redacted>' },
  ])
})
