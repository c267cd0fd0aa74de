import { Bot } from 'grammy'
import { sentinel } from '../../src/index.js'
import { createTelegram } from '../../src/telegram/index.js'
import { createClock } from '../../src/telegram/world/clock.js'
import { until } from '../servers/until.js'

test('advance() runs the timers that are due, each at its time, including timers set on the way', () => {
  const { now, advance, timers } = createClock('virtual')
  const began = now()
  const ran: [string, number][] = []
  const notes = (name: string) => () => void ran.push([name, now() - began])
  timers.after(300, notes('third'))
  timers.after(100, () => {
    notes('first')()
    timers.after(100, notes('second'))
    timers.after(Number.NaN, notes('at once'))
  })
  const callOff = timers.after(200, notes('called off'))
  timers.after(501, notes('later'))
  callOff()
  advance(99)
  expect(ran).toEqual([])
  advance(401)
  expect(ran).toEqual([
    ['first', 100],
    ['at once', 100],
    ['second', 200],
    ['third', 300],
  ])
  expect(now() - began).toBe(500)
  advance(1)
  expect(ran.at(-1)).toEqual(['later', 501])
})

test('an exception of a timer is thrown by advance(), and later timers still run', () => {
  const { now, advance, timers } = createClock('virtual')
  const began = now()
  let ran = 0
  timers.after(10, () => {
    throw new Error('no idea')
  })
  timers.after(20, () => ran++)
  expect(() => advance(30)).toThrow('no idea')
  expect([ran, now() - began]).toEqual([0, 10])
  advance(10)
  expect(ran).toBe(1)
})

test('on a real clock, timers run when they are due, or when the clock is advanced', async () => {
  const { advance, timers } = createClock('real')
  const ran: string[] = []
  timers.after(5, () => ran.push('by itself'))
  timers.after(3_600_000, () => ran.push('advanced'))
  await until('its time has come', () => ran.length === 1)
  advance('1h')
  expect(ran).toEqual(['by itself', 'advanced'])
})

test('a guard with these timers holds messages back until the clock is advanced', async () => {
  const telegram = createTelegram({ clock: 'virtual' })
  const account = telegram.createBot({ username: 'guarded_bot' })
  const alice = telegram.createUser({ firstName: 'Alice' })
  const bot = new Bot(account.token, account.config)
  const { now, timers } = telegram.clock
  const guard = sentinel({
    clock: now,
    timers,
    debounce: { mode: 'trailing', window: '2s', albums: '200ms' },
  })
  guard.install(bot)
  bot.on('message:text', (ctx) => ctx.reply(`You said ${ctx.msg.text}`))
  await telegram.runs(bot)
  for (const text of ['one', 'two']) await alice.to(account).sends(text)
  await telegram.settled()
  telegram.clock.advance(1999)
  await telegram.settled()
  expect(telegram.calls('sendMessage')).toEqual([])
  telegram.clock.advance(1)
  await alice.hears('You said two')
  await telegram.close()
  await guard.close()
})
