import type { Transformer } from 'grammy'
import { type SentinelOptions, sentinel } from '../../src/index.js'
import type { TelegramGroup } from '../../src/telegram/index.js'
import { type GuardedContext, type Rig, rig } from '../middleware/rig.js'
import { tick } from './desk.js'

/** The usual ways to set a default parse mode for all calls of a bot. */
const DEFAULTS: Readonly<Record<string, Transformer>> = {
  'the guide of grammY': (prev, method, payload, signal) =>
    prev(method, { parse_mode: 'MarkdownV2', ...payload }, signal),
  'the plugin parse-mode': (prev, method, payload, signal) =>
    prev(method, 'parse_mode' in payload ? payload : { ...payload, parse_mode: 'MarkdownV2' }, signal),
  'an assignment': (prev, method, payload, signal) => {
    if ('text' in payload) (payload as { parse_mode?: string }).parse_mode ??= 'MarkdownV2'
    return prev(method, payload, signal)
  },
}

describe.each(Object.entries(DEFAULTS))('under a default parse mode as in %s', (_, transformer) => {
  let at: Rig
  let plaza: TelegramGroup
  let failures: unknown[]

  async function open(options: SentinelOptions<GuardedContext>): Promise<void> {
    failures = []
    const guard = sentinel<GuardedContext>(options)
    guard.on('error', ({ error }) => failures.push(error))
    at = await rig(guard)
    at.bot.api.config.use(transformer)
    plaza = at.telegram.createGroup({
      title: 'Plaza',
      owner: at.alice,
      members: [at.bob],
      admins: [at.account],
    })
    at.start()
  }

  afterEach(async () => {
    await at.stop()
    expect(failures).toEqual([])
  })

  test('a notice is sent as plain text, in private', async () => {
    await open({ throttle: '1/1m' })
    for (const text of ['1', '2']) await at.alice.to(at.account).sends(text)
    expect((await at.alice.hears(/^Slow down/)).text).toBe('Slow down, please. Try again in 1m.')
  })

  test.each([true, false])('a notice is sent as plain text in a group, ephemeral: %s', async (ephemeral) => {
    await open({ throttle: '1/1m' })
    at.bot.api.config.use((prev, method, payload, signal) =>
      ephemeral || !('ephemeral_message_parameters' in payload)
        ? prev(method, payload, signal)
        : Promise.resolve({ ok: false, error_code: 400, description: 'Bad Request: not supported' }),
    )
    for (const text of ['/1', '/2']) await at.alice.in(plaza).sends(text)
    expect((await at.alice.hears(/^Slow down/)).text).toBe('Slow down, please. Try again in 1m.')
  })

  test('the menu of settings is drawn, redrawn and closed', async () => {
    await open({ throttle: '20/1m', settings: { throttle: { min: '2/1m', max: '60/1m' } } })
    await at.alice.to(at.account).sends('/sentinel')
    expect((await at.alice.hears(/^Groups have settings/)).entities).toBeUndefined()
    await at.bob.in(plaza).sends('/sentinel')
    expect((await at.bob.hears(/администратор/i)).entities).toBeUndefined()
    await at.alice.in(plaza).sends('/sentinel')
    const menu = await at.alice.hears(/^Settings of this chat/)
    const tap = await at.alice.in(plaza).taps(menu, 'Close')
    expect(await tap.answer).toMatchObject({ text: 'The settings are closed.' })
    while (at.telegram.calls('editMessageText').length === 0) await tick()
    expect(at.telegram.calls('editMessageText').map(({ params }) => params.text)).toEqual([
      'The settings are closed.',
    ])
  })
})
