import type { tl } from '@mtcute/core'
import { Begun } from '../../src/mtproto/client/updates/begun.js'

const [BOX, OTHER] = [5, 6]

const message = (id: number, pts: number): tl.TypeUpdate =>
  ({ _: 'updateNewChannelMessage', message: { _: 'message', id }, pts, ptsCount: pts === 0 ? 0 : 1 }) as never

const edit = (id: number, pts: number, ptsCount = 1): tl.TypeUpdate =>
  ({ _: 'updateEditChannelMessage', message: { _: 'message', id }, pts, ptsCount }) as never

test('a message is begun once, whether it arrives live or in an answer about missed updates', () => {
  const begun = new Begun()
  expect(begun.isFirst(BOX, message(1, 2))).toBe(true)
  expect(begun.isFirst(BOX, message(1, 0))).toBe(false)
  expect(begun.isFirst(BOX, message(2, 0))).toBe(true)
  expect(begun.isFirst(BOX, message(2, 3))).toBe(false)
  expect(begun.isFirst(OTHER, message(1, 2))).toBe(true)
})

test('each edit of a message is begun once', () => {
  const begun = new Begun()
  expect(begun.isFirst(BOX, message(1, 2))).toBe(true)
  expect([3, 4, 3, 4].map((pts) => begun.isFirst(BOX, edit(1, pts)))).toEqual([true, true, false, false])
})

test('updates without a number of their own are always begun', () => {
  const begun = new Begun()
  const tap = { _: 'updateBotCallbackQuery', queryId: 1 } as never
  expect([tap, tap].map((each) => begun.isFirst(BOX, each))).toEqual([true, true])
  expect([1, 2].map((id) => begun.isFirst(BOX, edit(id, 7, 0)))).toEqual([true, true])
})

test('the latest thirty thousand updates are remembered, in boxes of any number, and the earliest are forgotten', () => {
  const begun = new Begun()
  const came = (n: number): boolean => begun.isFirst(n % 7, message(n, n))
  for (let n = 1; n <= 100_000; n++) expect(came(n)).toBe(true)
  for (let n = 70_001; n <= 100_000; n++) expect(came(n)).toBe(false)
  expect([1, 2, 3].map(came)).toEqual([true, true, true])
})
