import { once } from 'node:events'
import { connect } from 'node:net'
import fc from 'fast-check'
import type { Expression } from '../../src/telegram/bot-api/schema/expression.js'
import {
  fieldsOf,
  METHOD_NAMES,
  type MethodName,
  signatureOf,
  typeNamed,
} from '../../src/telegram/bot-api/schema/schema.js'
import { startTelegram, type Telegram, type TelegramBot } from '../../src/telegram/index.js'
import { setting, VALID } from './valid-calls.js'

type Json = Record<string, unknown>

const SEED = Number(process.env.FUZZ_SEED ?? 20261121)

const junk = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(
    null,
    '',
    ' ',
    0,
    -1,
    1e308,
    2 ** 53,
    '[',
    '{}',
    '[[]]',
    'NaN',
    true,
    '@',
    '@plaza',
    '\u0000',
    '__proto__',
  ),
)
const text = fc.oneof(
  fc.string({ maxLength: 30 }),
  fc.constantFrom(
    '<b>x',
    '*x*',
    '_x',
    '```',
    'attach://part',
    'https://example.com/x.jpg',
    'HTML',
    'MarkdownV2',
    'constructor',
    'x'.repeat(5000),
  ),
)
const number = fc.oneof(
  fc.integer({ min: -3, max: 12 }),
  fc.constantFrom(-1001000000001, 2 ** 31, -(2 ** 53), 0.5),
)

const ofNames = new Map<string, fc.Arbitrary<unknown>>()

/** Generates mostly valid values of a type, down to a depth, sometimes with junk in a field. */
function valuesOf(expression: Expression, depth: number): fc.Arbitrary<unknown> {
  if (depth === 0) return junk
  switch (expression.kind) {
    case 'string':
    case 'file':
      return text
    case 'number':
      return number
    case 'boolean':
      return fc.boolean()
    case 'never':
      return junk
    case 'literal':
      return fc.constant(expression.value)
    case 'list':
      return fc.array(valuesOf(expression.of, depth - 1), { maxLength: 3 })
    case 'union':
      return fc.oneof(...expression.of.map((one) => valuesOf(one, depth)))
    case 'name': {
      const key = `${expression.name} ${depth}`
      const known = ofNames.get(key) ?? valuesOf(typeNamed(expression.name), depth - 1)
      ofNames.set(key, known)
      return known
    }
    default: {
      const fields = [...(fieldsOf(expression) ?? new Map()).values()]
      const required = fields.filter(({ optional }) => !optional).map(({ name }) => name)
      const model = Object.fromEntries(
        fields.map(({ name, type }) => [
          name,
          fc.oneof({ weight: 12, arbitrary: valuesOf(type, depth - 1) }, { weight: 1, arbitrary: junk }),
        ]),
      )
      return fc.record(model, { requiredKeys: required as never[] })
    }
  }
}

/** Generated once, because building the generators takes longer than drawing from them. */
const calls = fc.oneof(
  ...METHOD_NAMES.map((method) =>
    fc.tuple(
      fc.constant(method),
      fc.record(
        Object.fromEntries(
          [...signatureOf(method).parameters.values()].map(({ name, type }) => [
            name,
            fc.oneof({ weight: 8, arbitrary: valuesOf(type, 4) }, { weight: 1, arbitrary: junk }),
          ]),
        ),
        { requiredKeys: [] },
      ),
      // Most calls get their required parameters, because otherwise they would be refused early.
      fc.integer({ min: 0, max: 9 }),
    ),
  ),
)

const REFUSALS = [400, 401, 403, 404, 409, 413, 429, 501]

function expectTelegramShaped(answer: unknown): void {
  const { ok, ...rest } = answer as { ok: unknown; error_code?: number; description?: unknown }
  if (ok === true) {
    expect(rest).toEqual({ result: expect.anything() })
    return
  }
  expect([ok, typeof rest.description]).toEqual([false, 'string'])
  // 500 would be a defect of the embedded Telegram, or a result that differs from the types.
  expect(REFUSALS).toContain(rest.error_code)
}

test('the answer to a call with random parameters has the shape of Telegram’s answers', async () => {
  let { scene, call, close } = await setting()
  let made = 0
  const done = new Set<MethodName>()
  await fc.assert(
    fc.asyncProperty(calls, async ([method, params, mode]) => {
      // Calls leave and close chats, so the test starts anew from time to time.
      if (++made % 150 === 0) {
        await close()
        ;({ scene, call, close } = await setting())
      }
      const valid = VALID[method]?.(scene) ?? {}
      const merged: Json = mode < 6 ? { ...params, ...valid } : mode < 9 ? { ...valid, ...params } : params
      // Long polls would wait forever.
      if (method === 'getUpdates') merged.timeout = 0
      const answer = await call(method, merged)
      if (answer.ok) done.add(method)
      try {
        expectTelegramShaped(answer)
      } catch (error) {
        throw new Error(`${method} ${JSON.stringify(merged)} → ${JSON.stringify(answer)}`, { cause: error })
      }
    }),
    { seed: SEED, numRuns: Number(process.env.FUZZ_RUNS ?? 1200), endOnFailure: true },
  )
  await close()
  // Otherwise only refusals would have been tested.
  expect(done.size).toBeGreaterThan(50)
})

describe('over HTTP', () => {
  let telegram: Telegram
  let bot: TelegramBot
  beforeAll(async () => {
    telegram = await startTelegram()
    bot = telegram.createBot({ username: 'wire_bot' })
  })
  afterAll(() => telegram.close())

  const alive = async () => {
    const response = await fetch(`${telegram.apiRoot}/bot${bot.token}/getMe`)
    expect(await response.json()).toMatchObject({ ok: true })
  }

  const types = fc.oneof(
    fc.constantFrom(
      'application/json',
      'application/x-www-form-urlencoded',
      'multipart/form-data',
      'multipart/form-data; boundary=b',
      'multipart/form-data; boundary=""',
      'text/plain',
      '',
    ),
    fc.stringMatching(/^[ -~]{0,20}$/),
  )
  const piece = fc.oneof(
    fc.constantFrom(
      '--b',
      '--b--',
      '\r\n',
      '\r\n\r\n',
      'Content-Disposition: form-data; name="text"',
      'content-disposition:form-data;name=photo;filename=x',
      'Content-Disposition: form-data; name="__proto__"',
      'Content-Type: image/jpeg',
      'chat_id=1&text=',
      '{"text":',
      '{"chat_id":1,"text":"x"}',
      '[]',
      '%',
      '\u0000',
    ),
    fc.string({ maxLength: 12 }),
  )

  test('the answer to a random body and content type has the shape of Telegram’s answers', async () => {
    const bodies = fc.oneof(
      fc.array(piece, { maxLength: 12 }).map((pieces) => Buffer.from(pieces.join(''))),
      fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
    )
    const paths = fc.constantFrom(
      'sendMessage',
      'sendPhoto',
      'SENDMEDIAGROUP',
      'nothing',
      '%E0%A4%A',
      'getMe?text=%',
    )
    await fc.assert(
      fc.asyncProperty(paths, types, bodies, async (path, type, body) => {
        const response = await fetch(`${telegram.apiRoot}/bot${bot.token}/${path}`, {
          method: 'POST',
          headers: { 'content-type': type },
          body,
        })
        const answer = (await response.json()) as { ok: boolean; error_code?: number }
        expectTelegramShaped(answer)
        expect(response.status).toBe(answer.ok ? 200 : answer.error_code)
      }),
      { seed: SEED, numRuns: 150, endOnFailure: true },
    )
    await alive()
  })

  /** Writes each piece after the previous one was sent, and reads until the server hangs up or has answered. */
  async function conversation(pieces: readonly (string | Buffer)[], hangUp = false): Promise<string> {
    const { port } = new URL(telegram.apiRoot)
    const socket = connect(Number(port), '127.0.0.1')
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    let heard = ''
    socket.on('data', (chunk) => {
      heard += chunk.toString()
      if (/\}$/.test(heard)) socket.end()
    })
    const closed = new Promise((resolve) => socket.on('close', resolve))
    for (const one of pieces)
      if (socket.writable) await new Promise<void>((resolve) => socket.write(one, () => resolve()))
    if (hangUp) socket.destroy()
    await closed
    return heard
  }

  test('invalid HTTP is answered in the shape of Telegram’s answers', async () => {
    for (const garbage of ['HELLO\r\n\r\n', '\u0000\u0001\u0002\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n'])
      expect(await conversation([garbage])).toMatch(
        /^HTTP\/1\.1 400 .*\{"ok":false,"error_code":400,"description":"Bad Request"\}$/s,
      )
    const headers = `GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`
    expect(await conversation([headers])).toMatch(/^HTTP\/1\.1 431 .*"error_code":431/s)
    await alive()
  })

  test('slow clients are served, and clients that hang up early do no harm', async () => {
    const before = telegram.calls('sendPhoto').length
    const body = JSON.stringify({ commands: [{ command: 'help', description: 'Helps' }] })
    const head = `POST /bot${bot.token}/setMyCommands HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`
    expect(await conversation([...(head + body)])).toMatch(/^HTTP\/1\.1 200 .*\{"ok":true,"result":true\}$/s)
    for (const cut of [10, head.length - 1, head.length, head.length + 5])
      await conversation([(head + body).slice(0, cut)], true)
    const form = `POST /bot${bot.token}/sendPhoto HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: multipart/form-data; boundary=b\r\ntransfer-encoding: chunked\r\n\r\n`
    const part = '--b\r\ncontent-disposition: form-data; name="photo"; filename="x"\r\n\r\nbytes'
    await conversation([form, `${part.length.toString(16)}\r\n${part}\r\n`], true)
    expect(telegram.calls('sendPhoto')).toHaveLength(before)
    await alive()
  })
})
