import { Bot } from 'grammy'
import type { MtprotoClient } from '../../src/mtproto/index.js'
import { memory } from '../../src/storage/memory/memory.js'
import type { TelegramGroup } from '../../src/telegram/index.js'
import { until } from '../servers/until.js'
import { account, alice, client, face, onStage, telegram } from './stage.js'

onStage()

/** Messages that reached the handlers, with their chats. */
let heard: string[]
let told: { readonly code?: string; readonly reason?: string }[]

beforeEach(() => {
  heard = []
  told = []
})

async function bridged(made: MtprotoClient): Promise<MtprotoClient> {
  const bot = new Bot(account.token, account.config)
  bot.on('message:text', ({ chat, msg }) => void heard.push(`${chat.title ?? 'private'}: ${msg.text}`))
  made.onError((error) => told.push(error as (typeof told)[number]))
  await made.bridge(bot)
  return made
}

const group = (title: string) => telegram.createGroup({ title, owner: alice, admins: [account] })

async function say(text: string, groups: readonly TelegramGroup[]): Promise<void> {
  for (const each of groups) await alice.in(each).sends(text)
}

test('one FLOOD_WAIT after a restart loses no missed updates, although new messages arrive meanwhile', async () => {
  const groups = Array.from({ length: 10 }, (_, nth) => group(`group ${nth}`))
  const expected = (text: string) => groups.map((_, nth) => `group ${nth}: ${text}`)
  const storage = memory()
  const first = await bridged(client({ storage }))
  await say('seen', groups)
  await until('all was seen', () => heard.length === 10)
  await first.close()
  await say('missed', groups)
  face.fail('updates.getChannelDifference', 420, 'FLOOD_WAIT_1')
  const second = await bridged(client({ storage, patience: '100ms' }))
  await until('it is told', () => told.length > 0)
  await say('live', groups)
  await until('all of it came', () => heard.length >= 30)
  expect(heard.slice().sort()).toEqual(
    [...expected('seen'), ...expected('missed'), ...expected('live')].sort(),
  )
  // Reported once for the whole wait, not once per channel.
  expect(told).toContainEqual(
    expect.objectContaining({ code: 'mtproto.flood', message: expect.stringContaining('requested again') }),
  )
  expect(told.length).toBeLessThan(10)
  await second.close()
})

test('server errors of Telegram are reported, and missed private messages arrive without any new update', async () => {
  const storage = memory()
  const first = await bridged(client({ storage }))
  await alice.to(account).sends('seen')
  await until('it was seen', () => heard.length === 1)
  await first.close()
  await alice.to(account).sends('missed')
  // More often than mtcute itself retries.
  face.fail('updates.getDifference', 500, 'INTERNAL_SERVER_ERROR', 6)
  const second = await bridged(client({ storage }))
  await until('it came', () => heard.length === 2)
  expect(heard).toEqual(['private: seen', 'private: missed'])
  expect(told).toMatchObject([{ code: 'mtproto.refused', reason: 'INTERNAL_SERVER_ERROR' }])
  await second.close()
})

test('a gap whose difference is refused is requested again, without any new update', async () => {
  const plaza = group('Plaza')
  const made = await bridged(client({ patience: '100ms' }))
  await say('one', [plaza])
  await until('the first came', () => heard.length === 1)
  face.deliverBy(() => undefined)
  await say('two', [plaza])
  face.deliverBy((send) => send())
  face.fail('updates.getChannelDifference', 420, 'FLOOD_WAIT_1')
  await say('three', [plaza])
  await until('all came', () => heard.length === 3)
  expect(heard).toEqual(['Plaza: one', 'Plaza: two', 'Plaza: three'])
  expect(told).toMatchObject([{ code: 'mtproto.flood' }])
  expect(made.counts().gaps).toBe(1)
})

test('messages that arrive before their channel is asked about are handled once, although the answer repeats them', async () => {
  const [plaza, square] = [group('Plaza'), group('Square')]
  const made = await bridged(client())
  const raw = await made.raw()
  await say('first', [plaza, square])
  await until('the first came', () => heard.length === 2)
  // mtcute waits for what the square has missed, and collects everything else until then.
  face.deliverBy(() => undefined)
  await say('lost', [square])
  face.deliverBy((send) => send())
  face.fail('updates.getChannelDifference', 420, 'FLOOD_WAIT_1')
  await say('after it', [square])
  await until('the request waits', () => made.counts().waiting === 1)
  const { bytesIn } = made.counts()
  await say('live', [plaza])
  await until('it was received', () => made.counts().bytesIn > bytesIn)
  await raw.notifyChannelOpened(-1_000_000_000_000 - plaza.id)
  const asked = face.calls('updates.getChannelDifference')
  await until('both channels were asked about', () => face.calls('updates.getChannelDifference') > asked + 1)
  await say('last', [plaza, square])
  await until('the last came', () => heard.filter((text) => text.endsWith('last')).length === 2)
  const expected = (title: string, ...texts: string[]) => texts.map((text) => `${title}: ${text}`)
  expect(heard.filter((text) => text.startsWith('Plaza'))).toEqual(expected('Plaza', 'first', 'live', 'last'))
  expect(heard.filter((text) => text.startsWith('Square'))).toEqual(
    expected('Square', 'first', 'lost', 'after it', 'last'),
  )
})

test('a session that Telegram has ended is reported', async () => {
  const storage = memory()
  const first = await bridged(client({ storage }))
  await alice.to(account).sends('seen')
  await until('it was seen', () => heard.length === 1)
  await first.close()
  face.fail('updates.getDifference', 401, 'AUTH_KEY_UNREGISTERED')
  await bridged(client({ storage }))
  await until('it is told', () => told.length > 0)
  expect(told).toMatchObject([
    { code: 'mtproto.session', message: expect.stringContaining('AUTH_KEY_UNREGISTERED') },
  ])
})
