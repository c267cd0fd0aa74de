import { createTelegram, type Person, type Telegram, type TelegramBot } from '../../src/telegram/index.js'

let telegram: Telegram
let bot: TelegramBot
let other: TelegramBot
let alice: Person
let bob: Person

beforeEach(async () => {
  telegram = createTelegram()
  bot = telegram.createBot({ username: 'faulty_bot' })
  other = telegram.createBot({ username: 'sound_bot' })
  alice = telegram.createUser({ firstName: 'Alice' })
  bob = telegram.createUser({ firstName: 'Bob' })
  for (const person of [alice, bob]) for (const each of [bot, other]) await person.to(each).sends('/start')
})
afterEach(() => telegram.close())

async function codeOf(from: TelegramBot, method: string, params: object = {}): Promise<number> {
  const response = await telegram.fetch(`${telegram.apiRoot}/bot${from.token}/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(params),
  })
  return response.status
}
const send = (from: TelegramBot, to: Person) => codeOf(from, 'sendMessage', { chat_id: to.id, text: 'x' })

test('faults strike a chat, a bot or both, a number of times', async () => {
  telegram.faults.next('sendMessage', { code: 403, chat: alice, times: 2 })
  telegram.faults.next('sendMessage', { code: 502, bot: other })
  expect(await send(bot, bob)).toBe(200)
  expect(await send(bot, alice)).toBe(403)
  expect(await send(other, bob)).toBe(502)
  expect(await send(other, alice)).toBe(403)
  expect([await send(bot, alice), await send(other, alice), await send(other, bob)]).toEqual([200, 200, 200])
})

test('the chat of a fault can be given by id or by username', async () => {
  const owner = telegram.createUser({ firstName: 'Olga' })
  telegram.createGroup({ title: 'Plaza', username: 'plaza', owner, admins: [bot] })
  telegram.faults.next('getChat', { code: 500, chat: '@Plaza' })
  telegram.faults.next('getChat', { code: 503, chat: alice.id })
  expect(await codeOf(bot, 'getChat', { chat_id: String(alice.id) })).toBe(503)
  expect(await codeOf(bot, 'getChat', { chat_id: '@plaza' })).toBe(500)
  expect(await codeOf(bot, 'getMe')).toBe(200)
})

test('faults can last until they are cleared; faults of one method take precedence over faults of all', async () => {
  telegram.faults.next('*', { code: 500, times: Number.POSITIVE_INFINITY })
  telegram.faults.next('getMe', { code: 503 })
  expect([await codeOf(bot, 'getMe'), await codeOf(bot, 'getMe'), await codeOf(bot, 'getMe')]).toEqual([
    503, 500, 500,
  ])
  telegram.faults.clear()
  expect(await codeOf(bot, 'getMe')).toBe(200)
})

test.each<[string, object, RegExp]>([
  ['sendMesage', { code: 400 }, /Telegram has no method "sendMesage"\. Did you mean "sendMessage"\?/],
  ['getMe', {}, /say what goes wrong/],
  ['getMe', { code: 200 }, /code 200 is not an error status; use 400-599/],
  ['getMe', { code: 500, times: 0 }, /times 0 is not a count/],
  ['getMe', { drop: true, body: 'half' }, /not both/],
  ['getMe', { delay: 'soon' }, /faults\.next: delay/],
  ['getMe', { cod: 400 }, /"cod" is not a field of a fault\. Did you mean "code"\?/],
])('a fault of %s with %j is refused', (method, fault, words) => {
  expect(() => telegram.faults.next(method, fault)).toThrow(words)
})
