import { Bot } from 'grammy'
import Database from 'libsql'
import { debounce, sentinel, throttle } from '../../src/index.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { memory } from '../../src/storage/memory/memory.js'
import { sqlite } from '../../src/storage/sqlite/index.js'
import { createTelegram } from '../../src/telegram/index.js'
import { desk } from './desk.js'

/* A bot that still polls for a moment after guard.close(). */

test.each([
  ['used before', true],
  ['not used before', false],
])('updates pass a closed sentinel without an error event; guards of handlers: %s', async (_, used) => {
  const { bot, guard, says, reached } = desk()
  const handled: string[] = []
  bot.command('buy', throttle('3/1m'), () => handled.push('buy'))
  bot.command('sell', debounce('1s'), () => handled.push('sell'))
  const errors: unknown[] = []
  guard.on('error', (event) => errors.push(event))
  if (used) await says(7, '/buy', '/sell')
  await guard.close()
  handled.length = 0
  await says(8, 'hello', '/buy', '/sell')
  expect(reached.slice(-3)).toEqual(['hello', '/buy', '/sell'])
  expect(handled).toEqual(['buy', 'sell'])
  expect(errors).toEqual([])
})

test('a closed sentinel with memory() exports its whole block list, which is read in several pages', async () => {
  const { guard, says } = desk()
  await says(7, 'hello')
  const many = Array.from({ length: 1500 }, (_, index) => 1000 + index)
  await guard.block(many)
  await guard.close()
  expect((await guard.export()).blocked).toHaveLength(many.length)
})

/** Polls a batch of four updates, and closes everything while the first of them is handled. */
async function closedWithin(storage?: Storage) {
  const telegram = createTelegram({ clock: 'virtual' })
  const account = telegram.createBot({ username: 'polling_bot' })
  const [alice, mallory] = ['Alice', 'Mallory'].map((firstName) => telegram.createUser({ firstName }))
  const bot = new Bot(account.token, account.config)
  const guard = sentinel({
    throttle: { limit: '1/1h', onFailure: 'closed' },
    debounce: false,
    ...(storage !== undefined && { storage }),
  }).install(bot)
  const outcomes: string[] = []
  guard.on('denied', ({ verdict }) => outcomes.push(verdict.reason))
  await guard.block(mallory!.id)
  const chats = [alice!.to(account), mallory!.to(account), mallory!.to(account), alice!.to(account)]
  for (const [index, chat] of chats.entries()) await chat.sends(`${index + 1}`)
  let end = (): void => undefined
  const over = new Promise<void>((fulfil) => {
    end = fulfil
  })
  const begun = new Promise<void>((begins) => {
    bot.on('message', async (ctx) => {
      outcomes.push(`handled ${ctx.msg.text}`)
      begins()
      await over
    })
  })
  const polling = bot.start()
  await begun
  await bot.stop()
  await guard.close()
  await storage?.close()
  end()
  await polling
  return outcomes
}

test.each<[string, (() => Storage) | undefined, string]>([
  ['memory() of its own', undefined, 'limited'],
  ['memory()', memory, 'limited'],
  ['sqlite(), which no longer answers', () => sqlite(new Database(':memory:')), 'unavailable'],
])('the rest of a polled batch is decided by what was known before close(): %s', async (_, make, over) => {
  expect(await closedWithin(make?.())).toEqual(['handled 1', 'blocked', 'blocked', over])
})
