import { run } from '@grammyjs/runner'
import { Bot } from 'grammy'
import { sentinel } from '../../src/index.js'
import { until } from '../servers/until.js'
import { fate, type Office, office } from './rig.js'

const PEOPLE = 300
const SECOND = 1000
/** At 30 messages a second, the first 30 at once. */
const SOONEST = 9 * SECOND
/** The calls that are refused before the limit is known: all but the first 30. */
const UNAVOIDABLE = 270

let on: Office
beforeEach(async () => {
  // The limits that Telegram documents: 30 messages a second to all chats together.
  on = await office({}, true, PEOPLE)
})
afterEach(() => on.stop())

/** Advances the clock whenever all remaining calls wait, until none is left; returns how long that took. */
async function takes(left: () => number, waiting: () => number | Promise<number>): Promise<number> {
  const since = on.time.now
  while (left() > 0) {
    await until('all that is left waits', async () => left() === (await waiting()))
    await on.pass(250)
  }
  return on.time.now - since
}

test('a broadcast to 300 chats is delivered as fast as allowed, without losing a message', async () => {
  // Refusals to the bot as a whole do not count as attempts of a call: two attempts are enough.
  const { api, calls } = on.worker({ attempts: 2 })
  let left = PEOPLE
  const sent = on.people.map(({ id }) => fate(api.sendMessage(id, 'news')).finally(() => left--))
  const ms = await takes(
    () => left,
    () => calls.health().waiting,
  )
  expect(new Set(await Promise.all(sent))).toEqual(new Set(['sent']))
  expect(ms).toBeGreaterThanOrEqual(SOONEST)
  expect(ms).toBeLessThanOrEqual(SOONEST + SECOND)
  expect(calls.health()).toMatchObject({ gaveUp: 0, paused: 0 })
  // Some sixteen in each later second, which starts with a single call.
  expect(calls.health().limited).toBeLessThanOrEqual(UNAVOIDABLE + 9 * 20)
})

test('a bot on a runner answers 300 people who write at once', async () => {
  const { clock, timers } = on.time
  const guard = sentinel({ clock, timers, outgoing: { jitter: 0 } })
  const bot = new Bot(on.account.token, {
    client: { apiRoot: on.telegram.apiRoot },
    botInfo: on.account.info,
  })
  guard.install(bot)
  let left = PEOPLE
  const lost: unknown[] = []
  bot.on('message', async (ctx) => {
    await ctx.reply('Hello!')
    left--
  })
  bot.catch(({ error }) => {
    lost.push(error)
    left--
  })
  const runner = run(bot)
  const waiting = async (): Promise<number> => (await guard.health()).outgoing?.waiting ?? 0
  try {
    const ms = await takes(() => left, waiting)
    expect(lost).toEqual([])
    expect(ms).toBeLessThanOrEqual(SOONEST + SECOND)
  } finally {
    await runner.stop()
    await guard.close()
  }
})
