import { Bot } from 'grammy'
import type { MtprotoClient } from '../../src/mtproto/index.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { memory } from '../../src/storage/memory/memory.js'
import { until } from '../servers/until.js'
import { account, alice, client, face, onStage, telegram } from './stage.js'

onStage()

let storage: Storage
let heard: string[]
let told: unknown[]

beforeEach(() => {
  storage = memory()
  heard = []
  told = []
})

/** Starts a new process with the same session. */
async function up(): Promise<MtprotoClient> {
  const made = client({ storage })
  made.onError((error) => told.push(error))
  const bot = new Bot(account.token, account.config)
  bot.on('message:text', ({ message }) => void heard.push(message.text))
  bot.on('chat_member', ({ chatMember: { new_chat_member: member } }) => {
    heard.push(`${member.user.first_name} ${member.status}`)
  })
  await made.bridge(bot)
  return made
}

test('missed updates that Telegram has dropped are fetched by their ids, in groups and in private, after a restart', async () => {
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account] })
  const first = await up()
  await alice.in(plaza).sends('in the group')
  await alice.to(account).sends('in private')
  await until('2 were heard', () => heard.length >= 2)
  await first.close()

  const missed = ['missed 1', 'missed 2', 'missed 3']
  for (const text of missed) {
    await alice.in(plaza).sends(`${text} in the group`)
    await alice.to(account).sends(`${text} in private`)
  }
  face.forget(plaza)
  face.forget(account)
  heard.length = 0
  const second = await up()
  await until('6 were heard', () => heard.length >= 6)
  await alice.in(plaza).sends('last in the group')
  await alice.to(account).sends('last in private')
  await until('8 were heard', () => heard.length >= 8)
  const all = [
    ...missed.flatMap((text) => [`${text} in the group`, `${text} in private`]),
    'last in the group',
    'last in private',
  ]
  expect([...heard].sort()).toEqual(all.sort())
  expect(second.counts().tooLong).toBe(2)
})

test('updates that could not be fetched because of an error are fetched after the next start', async () => {
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account] })
  const first = await up()
  await alice.in(plaza).sends('seen')
  await until('it was seen', () => heard.length === 1)
  await first.close()
  for (const text of ['missed 1', 'missed 2']) await alice.in(plaza).sends(text)
  face.forget(plaza)
  // Exactly as often as mtcute itself retries.
  face.fail('channels.getMessages', 500, 'INTERNAL_SERVER_ERROR', 4)
  const second = await up()
  await until('it is told', () => told.length > 0)
  expect(told).toMatchObject([{ code: 'mtproto.refused', reason: 'INTERNAL_SERVER_ERROR' }])
  await second.close()
  expect(heard).toEqual(['seen'])
  await up()
  await until('all came', () => heard.length === 3)
  expect(heard).toEqual(['seen', 'missed 1', 'missed 2'])
})

test('changes of members that were missed with them are fetched, too', async () => {
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account] })
  const bob = telegram.createUser({ firstName: 'Bob' })
  const first = await up()
  await alice.to(account).sends('seen')
  await bob.in(plaza).joins()
  await until('both were heard', () => heard.length === 2)
  await first.close()
  await alice.to(account).sends('missed')
  await bob.in(plaza).leaves()
  face.forget(account)
  heard.length = 0
  await up()
  await until('both were heard', () => heard.length === 2)
  expect([...heard].sort()).toEqual(['Bob left', 'missed'])
})
