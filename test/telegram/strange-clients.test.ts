import { createTelegram } from '../../src/telegram/index.js'

// What clients of other libraries send, as interop/telegram found.
test('unknown fields of buttons are ignored, as Telegram does', async () => {
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

async function sendsDocument(parameters: string) {
  const telegram = createTelegram()
  const account = telegram.createBot({ username: 'file_bot' })
  const alice = telegram.createUser({ firstName: 'Alice' })
  await alice.to(account).sends('/start')
  const url = `${telegram.apiRoot}/bot${account.token}/sendDocument?chat_id=${alice.id}`
  const response = await telegram.fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data; boundary=z' },
    body: `--z\r\nContent-Disposition: form-data; ${parameters}\r\n\r\nhi\r\n--z--`,
  })
  await telegram.close()
  return (await response.json()) as object
}

// As td/net/HttpReader.cpp, with which Telegram's server parses bodies.
test.each([
  [
    'with parameters inside, in front of the name',
    'filename="a; name=text; b.txt"; name="document"',
    'a; name=text; b.txt',
  ],
  ['with URL escapes', 'name="document"; filename="%D0%B0%20b%.txt"', 'а b%.txt'],
  ['with backslash escapes', 'name="document"; filename="a \\"b\\" \\\\.txt"', 'a "b" \\.txt'],
  ['without quotes around it', 'name="document"; filename=one "1".txt', 'one "1".txt'],
])('the name of a file is parsed %s', async (_, parameters, expected) => {
  expect(await sendsDocument(parameters)).toMatchObject({
    ok: true,
    result: { document: { file_name: expected, file_size: 2 } },
  })
})

test('a part with only a filename* is a text, as for Telegram', async () => {
  expect(await sendsDocument('name="document"; filename*=UTF-8\'\'%D0%B0.txt')).toMatchObject({
    ok: false,
    description: 'Bad Request: wrong file identifier/HTTP URL specified',
  })
})
