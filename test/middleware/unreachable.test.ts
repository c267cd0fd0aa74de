import type { Update } from 'grammy/types'
import { userKey } from '../../src/core/subject.js'
import { memory, type SentinelOptions, type Storage } from '../../src/index.js'
import { UNREACHABLE } from '../../src/middleware/membership/reach.js'
import { desk as deskWith, later, nextId, user } from '../sentinel/desk.js'

/* Users who block the bot are marked as unreachable. Updates may come late, twice, or in another process. */

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
})

test('a block is noted although the id of its update cannot be stored', async () => {
  const storage = memory({ clock })
  const at = desk({ storage })
  await at.handle(change('kicked', SENT, Number.NaN))
  expect(await storage.marks.get(42, userKey(ALICE), UNREACHABLE)).toMatchObject({ since: SENT * 1000 })
})

test('a private message causes no look-up of the mark, which stays until the bot is told otherwise', async () => {
  const storage = later(memory({ clock }))
  const at = desk({ storage })
  await at.handle(change('kicked', SENT - 100))
  const looked: string[] = []
  const { get } = storage.marks
  Object.assign(storage.marks, {
    get: (...args: Parameters<typeof get>) => {
      looked.push(args[2])
      return get(...args)
    },
  })
  await at.says(ALICE, 'I am back')
  await at.quiet()
  expect(looked).not.toContain(UNREACHABLE)
  expect(await isMarked(storage)).toBe(true)
})
