import { jest } from '@jest/globals'
import { ALICE, bridge, turn } from './bare-bridge.js'

// The messages that a bridge keeps because others may reply to them.

const PRIVATE = { _: 'peerUser', userId: 1 }
const GROUP = { _: 'peerChannel', channelId: 6 }

function message(id: number, fields: object = {}) {
  return {
    _: 'message',
    id,
    peerId: PRIVATE,
    fromId: PRIVATE,
    message: `${id}`,
    date: 1_795_000_000,
    ...fields,
  }
}

function reply(id: number, to: number, fields: object = {}) {
  return message(id, { replyTo: { _: 'messageReplyHeader', replyToMsgId: to }, ...fields })
}

const written = (it: object) => ({ _: 'updateNewMessage', message: it, pts: 2, ptsCount: 1 })
const writtenInGroup = (it: object) => ({ _: 'updateNewChannelMessage', message: it, pts: 2, ptsCount: 1 })

test('a message that cannot be translated causes one error, and a reply to it is still delivered', async () => {
  const { came, taken, failures, answered } = await bridge()
  await came(written(message(1, { media: { _: 'messageMediaPoll' } })))
  expect([taken.length, failures.length]).toEqual([0, 1])
  await came(written(reply(2, 1)))
  expect(answered()).toMatchObject([{ message_id: 1, date: 0 }])
})

test('a message of a business account is not confused with a message of the bot that has the same id', async () => {
  const { came, asked, answered } = await bridge()
  const secret = message(5, { message: 'secret' })
  await came({ _: 'updateBotNewBusinessMessage', connectionId: 'x', message: secret, qts: 2 })
  await came(written(reply(6, 5)))
  expect(asked).toEqual(['messages.getMessages'])
  expect(answered()).toMatchObject([{ message_id: 5, date: 0 }])
})

test('a position is saved only after the reply that waits was handled, and closing waits for both', async () => {
  const { bridging, came, telegram, saved, answered } = await bridge()
  let go: (found: unknown) => void = () => undefined
  telegram.answer = () =>
    new Promise((done) => {
      go = done
    })
  await came(written(reply(9, 5)))
  await bridging.storage.kv.set('updates_pts', new Uint8Array(4))
  let isClosed = false
  bridging.freeze()
  const closing = bridging.end().then(() => {
    isClosed = true
  })
  await turn()
  expect([answered(), saved, isClosed]).toEqual([[], [], false])
  go({ messages: [message(5)], users: [ALICE], chats: [] })
  await closing
  expect(answered()).toMatchObject([{ message_id: 5, text: '5' }])
  expect(saved).toContain('updates_pts')
})

test('a reply that waits when another process takes the session is left to that process, without a further error', async () => {
  const { bridging, came, telegram, saved, answered, failures } = await bridge()
  let cutOff: (error: unknown) => void = () => undefined
  telegram.answer = () =>
    new Promise((_, reject) => {
      cutOff = reject
    })
  await came(written(reply(9, 5)))
  await bridging.storage.kv.set('updates_pts', new Uint8Array(4))
  bridging.abandon()
  cutOff(new Error('the client was closed'))
  await turn()
  expect([answered(), saved, failures]).toEqual([[], [], []])
})

test('users and chats are not copied for each update', async () => {
  const { came, taken, peers } = await bridge()
  const copied = [peers.users, peers.chats].flatMap((each) => [
    jest.spyOn(each, 'values'),
    jest.spyOn(each, 'forEach'),
    jest.spyOn(each, Symbol.iterator),
  ])
  await came(written(message(1)))
  await came(writtenInGroup(message(1, { peerId: GROUP })))
  expect(taken).toMatchObject([{ message: { chat: { id: 1 } } }, { message: { chat: { title: 'Plaza' } } }])
  for (const copying of copied) expect(copying).not.toHaveBeenCalled()
})

test('a basic group is not confused with the supergroup of the same number', async () => {
  const { came, taken } = await bridge()
  await came(written(message(1, { peerId: { _: 'peerChat', chatId: 6 } })))
  expect(taken).toEqual([])
})

test('after a gap that is too long, earlier messages are not used any more', async () => {
  const { bridging, came, asked, answered } = await bridge()
  await came(writtenInGroup(message(1, { peerId: GROUP })))
  await came(written(message(1)))
  bridging.channelTooLong(6, 0)
  await came(writtenInGroup(reply(2, 1, { peerId: GROUP })))
  expect(asked).toEqual(['channels.getMessages'])
  await came(written(reply(2, 1)))
  bridging.accountTooLong()
  await came(written(reply(3, 1)))
  expect(answered().map((it) => it?.date)).toEqual([undefined, undefined, 0, 1_795_000_000, 0])
})
