import type { SentinelOptions } from '../../src/index.js'
import type { DenialContext } from '../../src/middleware/refusing/denial.js'
import type { GuardedContext } from '../middleware/rig.js'
import { type Desk, desk, nextId, says, taps, user } from './desk.js'

const ALICE = 7
const PLAZA = -1001000000001
const CALM = 'Please do not send so many messages.'

/** A bot whose own deny function replies to refused users. */
function sayingDesk(
  deny: (denial: DenialContext<GuardedContext>) => unknown = ({ say }) => say(CALM),
  options: SentinelOptions = {},
): Desk {
  return desk({
    throttle: { limit: '1/1h', on: ['message', 'tap', 'checkout'], deny },
    debounce: false,
    ...options,
  } as SentinelOptions)
}

const sent = ({ calls }: Desk): unknown[] =>
  calls.map(({ method, payload }) => [method, payload.text, payload.ephemeral_message_parameters])

describe('a notice that a deny function sends by say()', () => {
  test('is sent like other notices: once per interval, silently, with its own text or the built-in one', async () => {
    for (const [words, text] of [
      [CALM, CALM],
      [undefined, 'Slow down, please. Try again in 1h.'],
    ] as const) {
      const at = sayingDesk(({ say }) => say(words))
      await at.says(ALICE, '1', '2', '3')
      await at.quiet()
      expect(at.calls.map(({ payload }) => payload)).toEqual([
        { chat_id: ALICE, text, parse_mode: '', disable_notification: true },
      ])
      at.time.advance(60_000)
      await at.says(ALICE, '4')
      await at.quiet()
      expect(at.calls).toHaveLength(2)
    }
  })

  test('is not shown to a whole group: commands are answered for their sender only, in their topic', async () => {
    const at = sayingDesk()
    for (const text of ['1', 'chatter']) await at.handle(says(ALICE, text, { group: true }))
    await at.quiet()
    expect(at.calls).toEqual([])
    const { update_id, message } = says(ALICE, '/help', { group: true })
    const inTopic = { ...message, is_topic_message: true, message_thread_id: 5 }
    await at.handle({ update_id, message: inTopic } as never)
    await at.handle(says(ALICE, '/help', { group: true }))
    await at.quiet()
    expect(at.calls.map(({ payload }) => payload)).toEqual([
      {
        chat_id: PLAZA,
        text: CALM,
        parse_mode: '',
        message_thread_id: 5,
        disable_notification: true,
        ephemeral_message_parameters: { receiver_user_id: ALICE },
      },
    ])
  })

  test('does not prevent other calls of the function', async () => {
    const at = sayingDesk(async ({ ctx, say }) => {
      say(CALM)
      await ctx.deleteMessage()
    })
    at.guard.on('error', () => undefined)
    for (const text of ['/1', '/2', '/3']) await at.handle(says(ALICE, text, { group: true }))
    await at.quiet()
    expect(at.calls.map(({ method }) => method).sort()).toEqual([
      'deleteMessage',
      'deleteMessage',
      'sendMessage',
    ])
  })

  test.each([
    ['words', CALM, CALM],
    ['an empty text', '', undefined],
  ])('is the one answer to a tap: %s', async (_, words, text) => {
    const at = sayingDesk(({ say }) => say(words))
    for (const data of ['1', '2', '3']) await at.handle(taps(ALICE, data))
    await at.quiet()
    expect(sent(at)).toEqual([
      ['answerCallbackQuery', text, undefined],
      ['answerCallbackQuery', undefined, undefined],
    ])
  })

  test('is withheld where none may be sent, and is due once afterwards', async () => {
    const noticed: boolean[] = []
    const at = sayingDesk(({ facts, notice, say }) => {
      noticed.push(notice)
      if (facts.inGroup) say(CALM)
      else if (notice) say('In private: slow down.')
    })
    for (const text of ['1', 'chatter', 'more']) await at.handle(says(ALICE, text, { group: true }))
    await at.says(ALICE, 'hello?', 'hello?')
    await at.quiet()
    expect(noticed).toEqual([true, false, true, false])
    expect(at.notices).toEqual(['In private: slow down.'])
  })

  test('is no longer withheld once the function was called with a notice due', async () => {
    const noticed: boolean[] = []
    const at = sayingDesk(({ facts, notice, say }) => {
      noticed.push(notice)
      if (facts.inGroup) say()
    })
    for (const text of ['1', 'chatter']) await at.handle(says(ALICE, text, { group: true }))
    await at.says(ALICE, 'hello?', 'hello?')
    expect(noticed).toEqual([true, true, false])
  })

  test('is also withheld if the administrators of a group have turned notices off', async () => {
    const at = sayingDesk(undefined, { settings: { notices: true } })
    await at.says(8, 'meets the bot')
    await at.guard.settings.set(PLAZA, { notices: false })
    for (const text of ['1', '/help']) {
      await at.handle(says(ALICE, text, { group: true }))
      await at.quiet()
    }
    expect(at.notices).toEqual([])
    await at.says(ALICE, 'hello?')
    await at.quiet()
    expect(at.notices).toEqual([CALM])
  })

  test('uses the budget only if it is sent', async () => {
    const at = sayingDesk(undefined, { notices: { budget: '1/1h' } })
    for (const text of ['1', 'chatter']) await at.handle(says(ALICE, text, { group: true }))
    await at.says(8, '1', '2')
    expect((await at.guard.health()).unsaid).toBe(0)
    await at.says(9, '1', '2')
    await at.quiet()
    expect(at.notices).toEqual([CALM])
    expect((await at.guard.health()).unsaid).toBe(1)
  })

  test('is sent once even if say() is called twice', async () => {
    const at = sayingDesk(({ say }) => {
      say('One.')
      say('Two.')
    })
    await at.says(ALICE, '1', '2')
    await at.quiet()
    expect(at.notices).toEqual(['One.'])
  })

  test('is not sent besides the text that declines a checkout', async () => {
    const at = sayingDesk()
    await at.says(ALICE, '1')
    const asked = { id: '1', from: user(ALICE), currency: 'XTR', total_amount: 1, invoice_payload: 'x' }
    await at.handle({ update_id: nextId(), pre_checkout_query: asked })
    await at.says(ALICE, 'hello?')
    await at.quiet()
    expect(sent(at)).toEqual([['answerPreCheckoutQuery', undefined, undefined]])
  })

  test('does not fail the update when Telegram cannot be reached, which is reported', async () => {
    const at = sayingDesk()
    const failed: string[] = []
    at.guard.on('error', ({ during }) => failed.push(during))
    at.telegram.faults.next('sendMessage', { drop: true, times: Number.POSITIVE_INFINITY })
    await at.says(ALICE, '1', '2')
    await at.quiet()
    expect(failed).toEqual(['notice'])
  })
})
