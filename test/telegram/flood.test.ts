import { Api, GrammyError } from 'grammy'
import {
  type FloodLimits,
  type Person,
  startTelegram,
  type Telegram,
  type TelegramBot,
  type TelegramGroup,
} from '../../src/telegram/index.js'

let telegram: Telegram
let bot: TelegramBot
let api: Api
let alice: Person
let group: TelegramGroup

async function start(limits?: boolean | FloodLimits): Promise<void> {
  telegram = await startTelegram({ clock: 'virtual', ...(limits !== undefined && { limits }) })
  bot = telegram.createBot({ username: 'flood_bot' })
  alice = telegram.createUser({ firstName: 'Alice' })
  group = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [bot] })
  api = new Api(bot.token, { apiRoot: telegram.apiRoot })
  await alice.to(bot).sends('/start')
}
afterEach(() => telegram.close())

/** Sends until Telegram refuses; returns the number of sent messages and the seconds to wait. */
async function sendUntilRefused(chatId: number, most = 100): Promise<[number, number | undefined]> {
  for (let sent = 0; sent < most; sent++) {
    try {
      await api.sendMessage(chatId, `message ${sent}`)
    } catch (error) {
      if (!(error instanceof GrammyError)) throw error
      expect(error.error_code).toBe(429)
      const wait = error.parameters.retry_after
      expect(error.description).toBe(`Too Many Requests: retry after ${wait}`)
      return [sent, wait]
    }
  }
  return [most, undefined]
}

test('without the option, calls are not limited', async () => {
  await start()
  expect(await sendUntilRefused(group.id)).toEqual([100, undefined])
})

test('one chat gets a short burst and then one message a second', async () => {
  await start(true)
  expect(await sendUntilRefused(alice.id)).toEqual([5, 5])
  telegram.clock.advance('4s')
  expect(await sendUntilRefused(alice.id)).toEqual([0, 1])
  telegram.clock.advance('1s')
  expect(await sendUntilRefused(alice.id)).toEqual([5, 5])
})

test('one group gets twenty messages a minute', async () => {
  await start({ chat: false })
  expect(await sendUntilRefused(group.id)).toEqual([20, 60])
  telegram.clock.advance('59500ms')
  expect(await sendUntilRefused(group.id)).toEqual([0, 1])
  telegram.clock.advance('500ms')
  expect(await sendUntilRefused(group.id)).toEqual([20, 60])
  expect(await sendUntilRefused(alice.id, 10)).toEqual([10, undefined])
})

test('all chats together get thirty messages a second', async () => {
  await start({ chat: false })
  const people = Array.from({ length: 31 }, (_, index) => telegram.createUser({ firstName: `P${index}` }))
  for (const person of people) await person.to(bot).sends('/start')
  const results = await Promise.allSettled(people.map((person) => api.sendMessage(person.id, 'news')))
  expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1)
  const other = telegram.createBot({ username: 'other_bot' })
  await alice.to(other).sends('/start')
  await new Api(other.token, { apiRoot: telegram.apiRoot }).sendMessage(alice.id, 'each bot by itself')
})

test('an album counts each of its messages, and refused calls do not count', async () => {
  await start({ group: '3/1m', chat: false, overall: false })
  await expect(api.sendMessage(group.id, ' ')).rejects.toThrow(/message text is empty/)
  await expect(api.sendMessage(404, 'x')).rejects.toThrow(/chat not found/)
  const photo = (await alice.in(group).sendsPhoto('one.jpg')).photo![0]!.file_id
  const album = [
    { type: 'photo' as const, media: photo },
    { type: 'photo' as const, media: photo },
  ]
  await api.sendMediaGroup(group.id, album)
  await expect(api.sendMediaGroup(group.id, album)).rejects.toThrow(/retry after 60/)
  expect(await sendUntilRefused(group.id)).toEqual([1, 60])
})

test('edits, deletions and chat actions do not count', async () => {
  await start({ group: '1/1m' })
  const sent = await api.sendMessage(group.id, 'one')
  await api.editMessageText(group.id, sent.message_id, 'two')
  await api.sendChatAction(group.id, 'typing')
  await api.deleteMessage(group.id, sent.message_id)
  expect(await sendUntilRefused(group.id)).toEqual([0, 60])
})

test('invalid limits are refused by name', async () => {
  await start()
  await expect(startTelegram({ limits: { chat: '0/1s' } })).rejects.toMatchObject({ code: 'limit.invalid' })
  await expect(
    startTelegram({ limits: { group: { amount: 1, per: '1s', burst: 3 } } }),
  ).rejects.toMatchObject({ code: 'telegram.invalid', message: expect.stringContaining('limits.group') })
  await expect(startTelegram({ limits: { user: '1/1s' } as FloodLimits })).rejects.toThrow(
    /limits\.user is not a limit/,
  )
})
