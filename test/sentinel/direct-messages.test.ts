import type { Update } from 'grammy/types'
import type { SentinelOptions } from '../../src/index.js'
import { desk, says } from './desk.js'

const TOPIC = 55

/** A message that somebody has sent to a channel. */
function direct(from: number, text: string): Update {
  const { update_id, message } = says(from, text, { group: true })
  return {
    update_id,
    message: {
      ...message,
      chat: { ...message?.chat, is_direct_messages: true },
      direct_messages_topic: { topic_id: TOPIC },
    } as Update['message'] & object,
  }
}

/** A bot for which Telegram requires a topic, as it does in the direct messages of a channel. */
function inDirectMessages(options: SentinelOptions) {
  const at = desk({ membership: false, ...options })
  const failures: unknown[] = []
  at.guard.on('error', ({ error }) => failures.push(error))
  at.bot.api.config.use(async (prev, method, payload, signal) =>
    method === 'sendMessage' && !('direct_messages_topic_id' in payload)
      ? { ok: false, error_code: 400, description: 'Bad Request: direct messages topic must be specified' }
      : prev(method, payload, signal),
  )
  const sent = () =>
    at.calls
      .filter(({ method }) => method === 'sendMessage')
      .map(({ payload }) => [payload.text, Number(payload.direct_messages_topic_id)])
  return { ...at, failures, sent }
}

describe('in the direct messages of a channel', () => {
  test('a notice is sent to the topic of the update', async () => {
    const at = inDirectMessages({ throttle: '1/1m' })
    for (const text of ['/a', '/b']) await at.handle(direct(7, text))
    await at.quiet()
    expect(at.failures).toEqual([])
    expect(at.sent()).toEqual([['Slow down, please. Try again in 1m.', TOPIC]])
  })

  test('the menu of settings is sent to the topic of the update', async () => {
    const at = inDirectMessages({ settings: { notices: true } })
    const command = direct(7, '/sentinel')
    at.hasAdministrators(7)
    await at.handle(command)
    await at.quiet()
    expect(at.failures).toEqual([])
    expect(at.sent()).toEqual([[expect.stringContaining('Settings of this chat'), TOPIC]])
  })
})
