import type { SentinelError } from '../../src/core/errors.js'
import { compose } from '../../src/middleware/compose.js'
import type { DenialContext } from '../../src/middleware/refusing/denial.js'
import { throttle } from '../../src/middleware/throttle.js'
import { sentinel } from '../../src/sentinel.js'
import type { Tap } from '../../src/telegram/index.js'
import { desk, idle, nextId, taps, tick, user } from '../sentinel/desk.js'
import { type GuardedContext, type Rig, rig, Stage } from './rig.js'

describe('a tap refused with a deny function', () => {
  let on: Rig
  afterEach(() => on.stop())

  async function tapUnder(deny: (denial: DenialContext<GuardedContext>) => unknown): Promise<Tap> {
    const slow = throttle<GuardedContext>({ limit: '1/1m', deny })
    on = await rig(compose(slow, { clock: new Stage().clock }), (bot) => {
      bot.command('menu', (ctx) =>
        ctx.reply('menu', { reply_markup: { inline_keyboard: [[{ text: 'Buy', callback_data: 'buy' }]] } }),
      )
    })
    on.start()
    await on.alice.to(on.account).sends('/menu')
    return on.alice.to(on.account).taps(await on.alice.hears('menu'), 'Buy')
  }

  test('is answered by the function with its own text', async () => {
    const tap = await tapUnder(async ({ ctx, text }) => {
      await Promise.resolve()
      await ctx.answerCallbackQuery({ text: `Later! ${text}`, show_alert: true })
    })
    expect(await tap.answer).toEqual({
      text: 'Later! Slow down, please. Try again in 1m.',
      show_alert: true,
    })
  })

  test.each<[string, () => unknown, number]>([
    ['does nothing', () => undefined, 0],
    ['throws', () => Promise.reject(new Error('no idea')), 1],
  ])('is answered for a function that %s', async (_, deny, told) => {
    const said: unknown[] = []
    const { error } = console
    console.error = (line: unknown) => said.push(line)
    try {
      expect(await (await tapUnder(deny)).answer).toEqual({})
    } finally {
      console.error = error
    }
    expect(said).toHaveLength(told)
    expect(said.every((line) => String(line).includes('no idea'))).toBe(true)
  })
})

describe('a tap that a handler denies after it has answered it', () => {
  let on: Rig
  afterEach(() => on.stop())

  test.each<[string, number, string[]]>([
    ['is too old to be answered again, which is not reported', 400, []],
    ['is not answered again while Telegram is unavailable, which is reported', 500, ['answer']],
  ])('%s', async (_, code, told) => {
    const guard = sentinel<GuardedContext>()
    const failures: string[] = []
    guard.on('error', ({ during }) => failures.push(during))
    on = await rig(guard, (bot) => {
      bot.command('menu', (ctx) =>
        ctx.reply('menu', { reply_markup: { inline_keyboard: [[{ text: 'Buy', callback_data: 'buy' }]] } }),
      )
      bot.callbackQuery('buy', async (ctx) => {
        await ctx.answerCallbackQuery('Working on it.')
        on.telegram.faults.next('answerCallbackQuery', { code, description: 'Bad Request: query is too old' })
        await ctx.sentinel.deny()
      })
    })
    on.start()
    await on.alice.to(on.account).sends('/menu')
    const tap = await on.alice.to(on.account).taps(await on.alice.hears('menu'), 'Buy')
    expect(await tap.answer).toMatchObject({ text: 'Working on it.' })
    await on.settled()
    await guard.close()
    expect(failures).toEqual(told)
    expect(on.telegram.calls('answerCallbackQuery')).toHaveLength(2)
  })
})

test('a deny function that hangs is reported, and does not block notices and answers for others', async () => {
  const hangs = () => new Promise<void>(() => undefined)
  const at = desk({
    throttle: [
      { name: 'messages', limit: '1/1m', deny: hangs, on: ['message'] },
      { name: 'taps', limit: '1/1m', deny: 'notice', on: ['tap'] },
    ],
    debounce: false,
  })
  const failed: unknown[] = []
  at.guard.on('error', ({ during, error }) => failed.push([during, (error as SentinelError).code]))
  for (let user = 1; user <= 256; user++) await at.says(user, 'a', 'b')
  expect((await at.guard.health()).background.running).toBe(256)
  at.time.advance(9999)
  await tick()
  expect(failed).toEqual([])
  at.time.advance(1)
  await at.quiet()
  expect(failed).toEqual(Array.from({ length: 256 }, () => ['deny', 'callback.timeout']))
  await at.handle(taps(7, 'one'))
  await at.handle(taps(7, 'two'))
  await at.quiet()
  expect(at.calls.filter(({ method }) => method === 'answerCallbackQuery')).toHaveLength(1)
  await at.guard.close()
})

test('an answer that finds no place among those under way is counted as dropped, and not as a notice beyond the budget', async () => {
  const hangs = () => new Promise<void>(() => undefined)
  const at = desk({
    throttle: [
      { name: 'messages', limit: '1/1m', deny: hangs, on: ['message'] },
      { name: 'taps', limit: '1/1m', deny: 'silent', on: ['tap'] },
    ],
    debounce: false,
    notices: { budget: '1000/1s' },
  })
  for (let user = 1; user <= 256; user++) await at.says(user, 'a', 'b')
  await at.handle(taps(7, 'one'))
  await at.handle(taps(7, 'two'))
  expect(await at.guard.health()).toMatchObject({ background: { running: 256, dropped: 1 }, unsaid: 0 })
  at.time.advance(10_000)
  await at.quiet()
  await at.guard.close()
})

test('a tap whose deny function hangs is answered after ten seconds, and a later error is not reported', async () => {
  let fail: (error: Error) => void = () => undefined
  const deny = () => new Promise<void>((_, reject) => (fail = reject))
  const at = desk({ throttle: { limit: '1/1m', on: ['tap'], deny }, debounce: false })
  const failed: string[] = []
  at.guard.on('error', ({ during }) => failed.push(during))
  await at.handle(taps(7, 'one'))
  await at.handle(taps(7, 'two'))
  const answers = () => at.calls.filter(({ method }) => method === 'answerCallbackQuery').length
  expect(answers()).toBe(0)
  at.time.advance(10_000)
  await at.quiet()
  expect(answers()).toBe(1)
  fail(new Error('too late'))
  await tick()
  expect(failed).toEqual(['deny'])
  await at.guard.close()
})

test.each([
  ['query is too old and response timeout expired or query ID is invalid', []],
  ['ERROR_MESSAGE_TOO_LONG', ['decline']],
])(
  'if Telegram refuses to decline a denied checkout (%s), it is reported as %j',
  async (description, expected) => {
    const at = desk({ debounce: false }, (bot) => {
      bot.on('pre_checkout_query', (ctx) => ctx.sentinel.deny())
    })
    const failed: string[] = []
    at.guard.on('error', ({ during }) => failed.push(during))
    at.telegram.faults.next('answerPreCheckoutQuery', {
      code: 400,
      description: `Bad Request: ${description}`,
    })
    const asked = { id: '1', from: user(7), invoice_payload: 'tea' }
    const pre_checkout_query = { ...asked, currency: 'XTR', total_amount: 1 }
    await at.handle({ update_id: nextId(), pre_checkout_query })
    await at.quiet()
    expect(failed).toEqual(expected)
    await at.guard.close()
  },
)

test.each([
  [400, []],
  [429, ['answer']],
])('if Telegram refuses an empty answer with %i, it is reported as %j', async (error_code, expected) => {
  const guard = sentinel<GuardedContext>({ throttle: { limit: '1/1m', on: ['tap'], deny: () => undefined } })
  const failed: string[] = []
  guard.on('error', ({ during }) => failed.push(during))
  const made = desk()
  const { handle } = made.another(43, guard)
  made.telegram.faults.next('answerCallbackQuery', { code: error_code, description: 'query is too old' })
  await handle(taps(7, 'one'))
  await handle(taps(7, 'two'))
  await idle(guard)
  expect(failed).toEqual(expected)
})
