import type { tl } from '@mtcute/core'
import { Begun } from '../../src/mtproto/client/updates/begun.js'
import { bridge, PLAZA } from './bare-bridge.js'

const [BOX, OTHER] = [5, 6]

const message = (id: number, pts: number): tl.TypeUpdate =>
  ({ _: 'updateNewChannelMessage', message: { _: 'message', id }, pts, ptsCount: pts === 0 ? 0 : 1 }) as never

const edit = (id: number, pts: number, ptsCount = 1): tl.TypeUpdate =>
  ({ _: 'updateEditChannelMessage', message: { _: 'message', id }, pts, ptsCount }) as never

test('a message is begun once, whether it arrives live or in an answer about missed updates', () => {
  const begun = new Begun()
  expect(begun.begin(BOX, message(1, 2))).toBe(true)
  expect(begun.begin(BOX, message(1, 0))).toBe(false)
  expect(begun.begin(BOX, message(2, 0))).toBe(true)
  expect(begun.begin(BOX, message(2, 3))).toBe(false)
  expect(begun.begin(OTHER, message(1, 2))).toBe(true)
})

test('each edit of a message is begun once', () => {
  const begun = new Begun()
  expect(begun.begin(BOX, message(1, 2))).toBe(true)
  expect([3, 4, 3, 4].map((pts) => begun.begin(BOX, edit(1, pts)))).toEqual([true, true, false, false])
})

test('updates without a number of their own are always begun', () => {
  const begun = new Begun()
  const tap = { _: 'updateBotCallbackQuery', queryId: 1 } as never
  expect([tap, tap].map((each) => begun.begin(BOX, each))).toEqual([true, true])
  expect([1, 2].map((id) => begun.begin(BOX, edit(id, 7, 0)))).toEqual([true, true])
})

test('the latest thirty thousand updates are remembered, in boxes of any number, and the earliest are forgotten', () => {
  const begun = new Begun()
  const came = (n: number): boolean => begun.begin(n % 7, message(n, n))
  for (let n = 1; n <= 100_000; n++) expect(came(n)).toBe(true)
  for (let n = 70_001; n <= 100_000; n++) expect(came(n)).toBe(false)
  expect([1, 2, 3].map(came)).toEqual([true, true, true])
})

describe('a bridge', () => {
  const peerId = { _: 'peerChannel', channelId: PLAZA.id }
  const fromId = { _: 'peerUser', userId: 1 }
  const hi = { _: 'message', id: 7, peerId, fromId, message: 'hi', date: 1_795_000_000 }
  const posted = { _: 'updateNewChannelMessage', message: hi, pts: 2, ptsCount: 1 }
  const again = { ...posted, pts: 0, ptsCount: 0 }

  test('delivers a message once that arrives live and in an answer about missed updates', async () => {
    const { came, taken } = await bridge()
    await came(posted)
    await came(again)
    expect(taken).toMatchObject([{ message: { message_id: 7, text: 'hi' } }])
  })

  test('delivers a message that arrives again with its chat, after an arrival without it', async () => {
    const { came, taken, peers } = await bridge()
    await came(posted, { ...peers, chats: new Map() })
    expect(taken).toEqual([])
    await came(again)
    expect(taken).toMatchObject([{ message: { chat: { title: 'Plaza' }, message_id: 7 } }])
  })

  test('delivers an edit whose number also stands in an update that is not delivered', async () => {
    const { came, taken } = await bridge()
    await came({ _: 'updateReadChannelInbox', channelId: PLAZA.id, maxId: 7, stillUnreadCount: 0, pts: 100 })
    await came({ ...posted, _: 'updateEditChannelMessage', pts: 100 })
    expect(taken).toMatchObject([{ edited_message: { message_id: 7 } }])
  })

  test('delivers a numbered update that comes after a newer one, and each once', async () => {
    const { came, taken } = await bridge()
    const joined = (userId: number, qts: number) => ({
      _: 'updateChannelParticipant',
      channelId: PLAZA.id,
      date: 1_795_000_000,
      actorId: userId,
      userId,
      newParticipant: { _: 'channelParticipant', userId, date: 1_795_000_000 },
      qts,
    })
    for (const qts of [2, 5, 3, 4, 5, 3]) await came(joined(1, qts))
    expect(taken).toHaveLength(4)
    // Updates without a number cannot be recognized.
    for (const qts of [0, 0]) await came(joined(1, qts))
    expect(taken).toHaveLength(6)
  })
})
