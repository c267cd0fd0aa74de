import type { TlObject } from '../../src/mtproto/protocol/tl/object.js'
import type { TelegramGroup } from '../../src/telegram/index.js'
import type { Came, RawClient } from './raw-client.js'
import { account, alice, face, inputChannel, onStage, rawBot, telegram } from './stage.js'

onStage()

// https://core.telegram.org/api/updates: numbered updates, differences and gaps.

let plaza: TelegramGroup
let client: RawClient
let channel: TlObject

beforeEach(async () => {
  plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account], username: 'plaza' })
  client = await rawBot()
  channel = inputChannel(plaza)
})

const state = async () => (await client.call({ _: 'updates.getState' })) as TlObject
const difference = async ({ pts, qts, date }: TlObject, more: Record<string, number> = {}) =>
  (await client.call({ _: 'updates.getDifference', pts, qts, date, ...more } as TlObject)) as TlObject
const ofChannel = async (pts: number, limit = 100) =>
  (await client.call({
    _: 'updates.getChannelDifference',
    channel,
    filter: { _: 'channelMessagesFilterEmpty' },
    pts,
    limit,
  })) as TlObject
const textsOf = (found: TlObject) => (found.new_messages as readonly TlObject[]).map(({ message }) => message)

/** Waits for the update with a text, and returns it. */
async function told(text: string): Promise<TlObject> {
  const of = ({ object }: Came) =>
    ((object.updates ?? []) as readonly TlObject[]).find(({ message }) => Object(message).message === text)
  return of(await client.until((came) => of(came) !== undefined)) as TlObject
}

test('updates of an account are numbered, and can be fetched from any number on, in slices', async () => {
  const before = await state()
  for (const text of ['one', 'two', 'three']) await alice.to(account).sends(text)
  expect(await told('three')).toMatchObject({ pts: (before.pts as number) + 3, pts_count: 1 })
  const after = await state()
  expect(after.pts).toBe((before.pts as number) + 3)
  expect(await difference(after)).toMatchObject({ _: 'updates.differenceEmpty' })
  const whole = await difference(before)
  expect(whole).toMatchObject({ _: 'updates.difference', state: { pts: after.pts } })
  expect(textsOf(whole)).toEqual(['one', 'two', 'three'])
  const slice = await difference(before, { pts_limit: 2 })
  expect(slice).toMatchObject({
    _: 'updates.differenceSlice',
    intermediate_state: { pts: (before.pts as number) + 2 },
  })
  expect(textsOf(slice)).toEqual(['one', 'two'])
  expect(textsOf(await difference(slice.intermediate_state as TlObject))).toEqual(['three'])
})

test('a difference from a forgotten position is too long, for an account and for a channel', async () => {
  const before = await state()
  await alice.to(account).sends('one')
  face.forget(account)
  const now = await state()
  expect(await difference(before)).toEqual(
    expect.objectContaining({ _: 'updates.differenceTooLong', pts: now.pts }),
  )
  expect(await difference(now)).toMatchObject({ _: 'updates.differenceEmpty' })
  expect(await difference(before, { pts_total_limit: 0 })).toMatchObject({ _: 'updates.differenceTooLong' })
  await alice.in(plaza).sends('two')
  const { pts } = (await told('two')) as unknown as { pts: number }
  face.forget(plaza)
  expect(await ofChannel(pts - 1)).toMatchObject({ _: 'updates.channelDifferenceTooLong', final: true })
  expect(await ofChannel(pts)).toMatchObject({ _: 'updates.channelDifferenceEmpty', final: true, pts })
})

test('a channel has its own numbers, and its difference comes in parts', async () => {
  await alice.in(plaza).sends('zero')
  const { pts } = (await told('zero')) as unknown as { pts: number }
  for (let n = 1; n <= 5; n++) await alice.in(plaza).sends(`message ${n}`)
  const first = await ofChannel(pts, 3)
  expect(first).toMatchObject({ _: 'updates.channelDifference', pts: pts + 3 })
  // The flag is not set.
  expect(first.final).toBeUndefined()
  const rest = await ofChannel(pts + 3, 3)
  expect(rest).toMatchObject({ final: true, pts: pts + 5 })
  expect([...textsOf(first), ...textsOf(rest)]).toEqual([1, 2, 3, 4, 5].map((n) => `message ${n}`))
})

test('membership changes are numbered by qts, and can be fetched later', async () => {
  const before = await state()
  const bob = telegram.createUser({ firstName: 'Bob' })
  await bob.in(plaza).joins()
  const after = await state()
  expect(after.qts).toBeGreaterThan(before.qts as number)
  const { other_updates } = await difference(before)
  expect(other_updates).toContainEqual(
    expect.objectContaining({ _: 'updateChannelParticipant', user_id: BigInt(bob.id), qts: after.qts }),
  )
})

test('a difference does not count updates that it cannot contain, such as taps and inline queries', async () => {
  const before = await state()
  await alice.to(account).sends('/start')
  await alice.asks(account, 'found')
  const { object } = await client.until(({ object }) =>
    ((object.updates ?? []) as readonly TlObject[]).some(({ _: name }) => name === 'updateBotInlineQuery'),
  )
  expect(object.seq).toBe(0)
  expect(await difference(before)).toMatchObject({ other_updates: [], state: { seq: before.seq } })
  expect(await difference(await state())).toMatchObject({ _: 'updates.differenceEmpty', seq: before.seq })
})

test('deliverBy() can deliver updates twice, late or never', async () => {
  const kept: (() => void)[] = []
  face.deliverBy((send) => kept.push(send))
  for (const text of ['one', 'two', 'three']) await alice.to(account).sends(text)
  const [one, , three] = kept
  three?.()
  one?.()
  one?.()
  const second = await told('one')
  const pts = ((await told('three')) as unknown as { pts: number }).pts
  expect(second.pts).toBe(pts - 2)
  await state()
  const texts = client.came.flatMap(({ object }) =>
    ((object.updates ?? []) as readonly TlObject[]).map(({ message }) => Object(message).message),
  )
  expect(texts).toEqual(['three', 'one', 'one'])
  face.deliverBy((send) => send())
})
