import type { SentinelOptions } from '../src/index.js'
import type { DenialContext } from '../src/middleware/refusing/denial.js'
import type { GuardedContext } from './middleware/rig.js'
import { type Desk, desk, nextId, says, taps, user } from './sentinel-desk.js'

const ALICE = 7
const PLAZA = -1001000000001
const CALM = 'Please do not send so many messages.'

/** A bot whose own function says something to whoever is stopped. */
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

describe('what a deny function says', () => {
  test('is sent as notices are: once in a while, without a sound, in its words or ours', async () => {
    for (const [words, text] of [
      [CALM, CALM],
      [undefined, 'Slow down, please. Try again in 1h.'],
    ] as const) {
      const at = sayingDesk(({ say }) => say(words))
      await at.says(ALICE, '1', '2', '3')
      await at.quiet()
      expect(at.calls.map(({ payload }) => payload)).toEqual([
        { chat_id: ALICE, text, disable_notification: true },
      ])
      at.time.advance(60_000)
      await at.says(ALICE, '4')
      await at.quiet()
      expect(at.calls).toHaveLength(2)
    }
  })

  test('is not said to a whole group: commands are answered for the eyes of their sender, in their topic', async () => {
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
        message_thread_id: 5,
        ephemeral_message_parameters: { receiver_user_id: ALICE },
      },
    ])
  })

  test('goes with what else the function does', async () => {
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

  test('is owed where nothing may be said, and then it is time to say it, once', async () => {
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

  test('is owed no longer where the function has been told that it is time, whatever it did', async () => {
    const noticed: boolean[] = []
    const at = sayingDesk(({ facts, notice, say }) => {
      noticed.push(notice)
      if (facts.inGroup) say()
    })
    for (const text of ['1', 'chatter']) await at.handle(says(ALICE, text, { group: true }))
    await at.says(ALICE, 'hello?', 'hello?')
    expect(noticed).toEqual([true, true, false])
  })

  test('is owed, too, where the administrators of a group want no notices', async () => {
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

  test('costs the budget what is sent, and nothing where nothing is', async () => {
    const at = sayingDesk(undefined, { notices: { budget: '1/1h' } })
    for (const text of ['1', 'chatter']) await at.handle(says(ALICE, text, { group: true }))
    await at.says(8, '1', '2')
    expect((await at.guard.health()).unsaid).toBe(0)
    await at.says(9, '1', '2')
    await at.quiet()
    expect(at.notices).toEqual([CALM])
    expect((await at.guard.health()).unsaid).toBe(1)
  })

  test('is said once, though it is said twice', async () => {
    const at = sayingDesk(({ say }) => {
      say('One.')
      say('Two.')
    })
    await at.says(ALICE, '1', '2')
    await at.quiet()
    expect(at.notices).toEqual(['One.'])
  })

  test('is not said beside the words that decline a checkout', async () => {
    const at = sayingDesk()
    await at.says(ALICE, '1')
    const asked = { id: '1', from: user(ALICE), currency: 'XTR', total_amount: 1, invoice_payload: 'x' }
    await at.handle({ update_id: nextId(), pre_checkout_query: asked })
    await at.says(ALICE, 'hello?')
    await at.quiet()
    expect(sent(at)).toEqual([['answerPreCheckoutQuery', undefined, undefined]])
  })

  test('fails nobody when Telegram is away: that is told', async () => {
    const at = sayingDesk()
    const failed: string[] = []
    at.guard.on('error', ({ during }) => failed.push(during))
    at.telegram.faults.next('sendMessage', { drop: true, times: Number.POSITIVE_INFINITY })
    await at.says(ALICE, '1', '2')
    await at.quiet()
    expect(failed).toEqual(['notice'])
  })
})
