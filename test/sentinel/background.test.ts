import type { Update } from 'grammy/types'
import type { Denial } from '../../src/index.js'
import { desk, says, taps, tick } from './desk.js'

const SETTINGS = { throttle: { min: '5/1m', max: '60/1m' } } as const
const GROUP = { group: true }

/** A tap on a button under a message in the group. */
function tapsInGroup(from: number, data: string): Update {
  const update = taps(from, data)
  const { message } = says(from, 'menu', GROUP)
  return { ...update, callback_query: { ...update.callback_query!, message } } as Update
}

const answered = (calls: readonly { method: string }[]): number =>
  calls.filter(({ method }) => method === 'answerCallbackQuery').length

describe('background work of one chat that hangs does not block other chats', () => {
  test('the menu of settings, in a group where all calls hang', async () => {
    const { guard, handle, calls, bot } = desk({ throttle: '1/1h', settings: SETTINGS })
    const failures: string[] = []
    guard.on('error', ({ during }) => failures.push(during))
    bot.api.config.use((prev, method, payload, signal) =>
      method === 'getChatAdministrators' ? new Promise(() => undefined) : prev(method, payload, signal),
    )
    for (let who = 1; who <= 300; who++) await handle(says(who, '/sentinel', GROUP))
    expect((await guard.health()).background).toEqual({ running: 52, dropped: 248 })
    for (const text of ['1', '2']) await handle(says(1007, text))
    for (const data of ['1', '2']) await handle(taps(1008, data))
    await tick()
    expect(calls.map(({ method }) => method)).toEqual(['sendMessage', 'answerCallbackQuery'])
  })

  test('deny functions that hang in a group; taps in this group are answered all the same', async () => {
    const deny: Denial = ({ facts }) => (facts.inGroup ? new Promise(() => undefined) : undefined)
    const { guard, handle, calls } = desk({ throttle: { limit: '1/1h', deny } })
    for (let count = 0; count < 300; count++) await handle(says(1, 'flood', GROUP))
    expect((await guard.health()).background.running).toBe(52)
    for (const data of ['1', '2']) await handle(taps(1008, data))
    await tick()
    expect(answered(calls)).toBe(1)
    for (const data of ['1', '2']) await handle(tapsInGroup(2, data))
    await tick()
    expect(answered(calls)).toBe(2)
  })
})
