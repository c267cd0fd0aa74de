import { createTelegram } from '../../src/telegram/index.js'

// What clients of others do, and interop/telegram found out.
test('marks that a client leaves on buttons are passed over, as Telegram does', async () => {
  const telegram = createTelegram()
  const account = telegram.createBot({ username: 'shop_bot' })
  const alice = telegram.createUser({ firstName: 'Alice' })
  await alice.to(account).sends('/start')
  const button = { text: 'Buy', callback_data: 'buy', hide: false }
  const response = await telegram.fetch(`${telegram.apiRoot}/bot${account.token}/sendMessage`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ chat_id: alice.id, text: 'Well?', reply_markup: { inline_keyboard: [[button]] } }),
  })
  expect(await response.json()).toMatchObject({
    ok: true,
    result: { reply_markup: { inline_keyboard: [[{ text: 'Buy', callback_data: 'buy' }]] } },
  })
  const tap = await alice.to(account).taps(await alice.hears('Well?'), 'Buy')
  expect(JSON.stringify(tap.query)).not.toContain('hide')
  await telegram.close()
})
