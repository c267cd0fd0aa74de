import type { Caller } from '../../src/mtproto/client/calls/caller.js'
import { membersOf } from '../../src/mtproto/client/lists/members.js'
import type { Person, TelegramGroup } from '../../src/telegram/index.js'
import { until } from '../servers/until.js'
import { account, alice, all, client, face, onStage, telegram } from './stage.js'

describe('the list of members', () => {
  onStage()

  const crowdOf = (size: number): Person[] =>
    Array.from({ length: size }, (_, n) => telegram.createUser({ firstName: `User ${n}` }))

  const groupOf = (members: readonly Person[]): TelegramGroup =>
    telegram.createGroup({ title: 'Town', owner: alice, admins: [account], members })

  /** Lists the members, and changes the group once 150 of them, of the first page, were listed. */
  async function listed(town: TelegramGroup, change: () => Promise<void>): Promise<number[]> {
    const ids: number[] = []
    for await (const { user } of client().members(town.id)) {
      if (ids.push(user.id) === 150) await change()
    }
    return ids
  }

  test.each([
    ['a few', 10],
    ['as many as two pages have in common', 20],
    ['many', 150],
    ['almost all', 445],
  ])('contains everybody who stays, although %s leave while it is read', async (_, leaving) => {
    const crowd = crowdOf(650)
    const town = groupOf(crowd)
    // The latest members are listed first.
    const leavers = crowd.slice(-leaving)
    const ids = await listed(town, async () => {
      for (const each of leavers) await each.in(town).leaves()
    })
    const staying = [alice, ...crowd.slice(0, -leaving)].map(({ id }) => id)
    expect(staying.filter((id) => !ids.includes(id))).toEqual([])
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('contains nobody twice, although others join while it is read', async () => {
    const crowd = crowdOf(450)
    const town = groupOf(crowd)
    const ids = await listed(town, async () => {
      for (const each of crowdOf(30)) await each.in(town).joins()
    })
    expect(ids.slice().sort()).toEqual([alice, account, ...crowd].map(({ id }) => id).sort())
  })

  test('ends by its signal, also while it waits for a FLOOD_WAIT', async () => {
    const town = groupOf(crowdOf(3))
    const watcher = client()
    await all(watcher.members(town.id))
    face.fail('channels.getParticipants', 420, 'FLOOD_WAIT_8')
    const ending = new AbortController()
    const listing = all(watcher.members(town.id, { signal: ending.signal }))
    const failed = expect(listing).rejects.toThrow('enough')
    await until('the call waits', () => watcher.counts().waiting === 1)
    ending.abort(new Error('enough'))
    await failed
    expect(watcher.counts().waiting).toBe(0)
  })
})

/** A caller who lists pages of participants, and counts the calls. */
function listing(count: number, idsOf: (offset: number, call: number) => readonly number[]) {
  const state = { calls: 0 }
  const call = async ({ offset }: { readonly offset: number }) => {
    const ids = idsOf(offset, state.calls++)
    const participants = ids.map((userId) => ({ _: 'channelParticipant', userId, date: 1 }))
    const users = ids.map((id) => ({ _: 'user', id }))
    return { _: 'channels.channelParticipants', count, participants, users }
  }
  return { caller: { call, channel: async () => ({}) } as unknown as Caller, state }
}

const upTo = (end: number, offset: number): number[] =>
  Array.from({ length: Math.max(0, Math.min(200, end - offset)) }, (_, n) => offset + n + 1)

test.each([500, 540, 560])(
  'a list of which Telegram gives only the first %i members ends there',
  async (end) => {
    const { caller, state } = listing(1000, (offset) => upTo(end, offset))
    expect(await all(membersOf(caller, -1001))).toHaveLength(end)
    expect(state.calls).toBeLessThanOrEqual(5)
  },
)

test('a list whose pages have nothing in common ends', async () => {
  const { caller, state } = listing(2000, (_, call) => upTo(1e9, call * 1000))
  expect((await all(membersOf(caller, -1001))).length).toBeGreaterThan(2000)
  expect(state.calls).toBeLessThan(60)
})
