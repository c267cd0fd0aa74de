import { debounce, throttle } from '../src/index.js'
import { desk } from './sentinel-desk.js'

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
