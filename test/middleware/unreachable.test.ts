import type { Update } from 'grammy/types'
import { userKey } from '../../src/core/subject.js'
import { memory, type SentinelOptions, type Storage } from '../../src/index.js'
import { UNREACHABLE } from '../../src/middleware/membership/reach.js'
import { desk as deskWith, later, nextId, says, tick, user } from '../sentinel-desk.js'

/* Users who block the bot are marked as unreachable. Updates may come late, twice, in another process, or never. */

const ALICE = 7
const SENT = 1_767_225_600
const clock = (): number => SENT * 1000
const BOT = { id: 42, is_bot: true, first_name: 'Bot' }

type Desk = ReturnType<typeof deskWith>

const desk = (options: SentinelOptions): Desk => deskWith({ clock, ...options })

function change(is: 'kicked' | 'member', date: number, update_id = nextId()): Update {
  const status = (status: string): never => ({ user: BOT, status, until_date: 0 }) as never
  return {
    update_id,
    my_chat_member: {
      chat: { id: ALICE, type: 'private', first_name: 'Alice' },
      from: user(ALICE),
      date,
      old_chat_member: status(is === 'kicked' ? 'member' : 'kicked'),
      new_chat_member: status(is),
    },
  }
}

const isMarked = async ({ marks }: Storage): Promise<boolean> =>
  (await marks.get(42, userKey(ALICE), UNREACHABLE)) !== undefined

async function settled(at: Desk): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await tick()
  await at.quiet()
}

describe.each([
  ['memory', () => memory({ clock })],
  ['a storage elsewhere', () => later(memory({ clock }))],
])('a user who blocked the bot, with %s', (_, make) => {
  test('stays reachable when the update of an earlier block is delivered again, in any process', async () => {
    const storage = make()
    const [one, other] = [desk({ storage, name: 'shop' }), desk({ storage, name: 'shop' })]
    const blocked = change('kicked', SENT - 100)
    await one.handle(blocked)
    expect(await isMarked(storage)).toBe(true)
    await one.handle(change('member', SENT - 50))
    for (const at of [one, other]) await at.handle(blocked)
    expect(await isMarked(storage)).toBe(false)
    await one.handle(change('kicked', SENT))
    expect(await isMarked(storage)).toBe(true)
  })

  test('stays marked when the update of an earlier return is delivered late', async () => {
    const storage = make()
    const at = desk({ storage })
    const returned = change('member', SENT - 50)
    await at.handle(change('kicked', SENT))
    await at.handle(returned)
    expect(await isMarked(storage)).toBe(true)
  })

  test('is judged by update ids within one second', async () => {
    const storage = make()
    const at = desk({ storage })
    const [blocked, returned, again] = [
      change('kicked', SENT),
      change('member', SENT),
      change('kicked', SENT),
    ] as const
    await at.handle(blocked)
    await at.handle(returned)
    await at.handle(blocked)
    expect(await isMarked(storage)).toBe(false)
    await at.handle(again)
    await at.handle(returned)
    expect(await isMarked(storage)).toBe(true)
  })

  test('loses the mark by writing in private, when the update of the return was lost', async () => {
    const storage = make()
    const before = desk({ storage })
    await before.handle(change('kicked', SENT - 1000))
    const at = desk({ storage })
    await at.says(ALICE, 'I am back')
    await settled(at)
    expect(await isMarked(storage)).toBe(false)
    // In the same second, ids decide. A block that this process has seen makes it look again.
    await at.handle(change('kicked', SENT))
    expect(await isMarked(storage)).toBe(true)
    await at.says(ALICE, 'again')
    await settled(at)
    expect(await isMarked(storage)).toBe(false)
  })

  test('keeps the mark if the message was sent before the block, in a group, or to a business account', async () => {
    const storage = make()
    const at = desk({ storage })
    const earlier = says(ALICE, 'before')
    await at.handle(change('kicked', SENT))
    await at.handle(earlier)
    await at.handle(says(ALICE, 'in a group', { group: true }))
    const { update_id, message } = says(ALICE, 'to a shop')
    await at.handle({ update_id, business_message: { ...message, business_connection_id: 'b' } as never })
    await settled(at)
    expect(await isMarked(storage)).toBe(true)
  })
})

test('users are looked up once, and one at a time', async () => {
  const storage = later(memory({ clock }))
  const looked: unknown[] = []
  const answers: (() => void)[] = []
  const get = storage.marks.get
  Object.assign(storage.marks, {
    get: async (...args: Parameters<typeof get>) => {
      if (args[2] !== UNREACHABLE) return get(...args)
      looked.push(args[1])
      await new Promise<void>((answer) => answers.push(answer))
      return get(...args)
    },
  })
  const at = desk({ storage })
  await at.says(1, 'loads what is needed')
  for (let turn = 0; turn < 20; turn++) await tick()
  expect(looked).toEqual([userKey(1)])
  await at.says(2, 'meanwhile')
  expect(looked).toEqual([userKey(1)])
  answers.pop()?.()
  await settled(at)
  await at.says(1, 'again')
  await at.says(2, 'again')
  expect(looked).toEqual([userKey(1), userKey(2)])
  answers.pop()?.()
  await settled(at)
  await at.guard.close()
})

test('a look-up that fails is repeated with the next message', async () => {
  const storage = later(memory({ clock }))
  const get = storage.marks.get
  let isDown = true
  Object.assign(storage.marks, {
    get: async (...args: Parameters<typeof get>) => {
      if (isDown && args[2] === UNREACHABLE) throw new Error('away')
      return get(...args)
    },
  })
  const at = desk({ storage })
  const failed: string[] = []
  at.guard.on('error', ({ during }) => failed.push(during))
  await at.handle(change('kicked', SENT - 1))
  await at.says(ALICE, 'hello')
  await settled(at)
  expect(failed).toEqual([])
  isDown = false
  expect(await isMarked(storage)).toBe(true)
  await at.says(ALICE, 'hello again')
  await settled(at)
  expect(await isMarked(storage)).toBe(false)
})

test('nothing is looked up if users who block the bot are not marked', async () => {
  const storage = memory({ clock })
  await storage.marks.put(42, UNREACHABLE, [{ key: userKey(ALICE), mark: { since: 0 } }])
  const at = desk({ storage, membership: { unreachable: false } })
  await at.says(ALICE, 'hello')
  await settled(at)
  expect(await isMarked(storage)).toBe(true)
})
