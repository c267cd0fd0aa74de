import { memory, type Ownership, sentinel } from '../../src/index.js'
import { later } from '../sentinel/desk.js'

/* A mistake in an ownership must not show one user's data to another, or erase data of others. */

const ALICE = 7
const BOB = 8
const KEYS = ['7/1', '8/1']

async function games(ownership: object) {
  const storage = memory()
  for (const key of KEYS) await storage.values.put('games', key, { key })
  const { users } = sentinel({ storage })
  users.include('games', ownership as Ownership)
  const left = async () => (await storage.values.scan('games')).entries.map(({ key }) => key)
  return { users, left }
}

const named = (words: string) =>
  expect.objectContaining({ code: 'option.invalid', message: expect.stringContaining(words) })

test('an async function for an ownership is refused where it is passed', () => {
  const { users } = sentinel()
  const owns = async () => false
  expect(() => users.include('games', { owns } as never)).toThrow(
    named('users.include.owns: it is an async function.'),
  )
  expect(() => users.include('games', { keys: async () => [] } as never)).toThrow(
    named('users.include.keys: it is an async function.'),
  )
  expect(() => users.sessions({ name: 'game' }, { owns } as never)).toThrow(named('it is an async function.'))
})

test.each([
  [
    'a promise',
    { owns: () => Promise.resolve(false) },
    '"games": owns() returned a promise, not true or false',
  ],
  [
    'a position',
    { owns: (key: string) => key.indexOf('9') },
    '"games": owns() returned -1, not true or false',
  ],
  ['a rejection', { owns: () => Promise.reject(new Error('no')) }, '"games": owns() returned a promise'],
  [
    'a promise of keys',
    { keys: () => Promise.resolve([]) },
    '"games": keys() returned a promise, not a list',
  ],
  ['a text', { keys: () => '7/1' }, '"games": keys() returned "7/1", not a list of texts'],
  ['a list of numbers', { keys: () => [7] }, '"games": keys() returned an array, not a list of texts'],
])('an ownership that returns %s is refused, and nothing is exported or erased', async (_, wrong, words) => {
  const { users, left } = await games(wrong)
  await expect(users.export(ALICE)).rejects.toEqual(named(words))
  await expect(users.erase(ALICE)).rejects.toEqual(named(words))
  expect(await left()).toEqual(KEYS)
})

test('the sessions that a function selects are exported and erased, and no others', async () => {
  const storage = memory()
  const { users } = sentinel({ storage })
  const sessions = users.sessions<{ level: number }>(
    { name: 'game' },
    { owns: (key, { id }) => key.startsWith(`${id}/`) },
  )
  for (const key of KEYS) await sessions.write(key, { level: 1 })
  expect((await users.export(ALICE)).values).toEqual([{ space: 'game', key: '7/1', value: { level: 1 } }])
  expect((await users.erase(BOB)).values).toEqual([{ space: 'game', key: '8/1' }])
  expect(await sessions.read('7/1')).toEqual({ level: 1 })
})

test('an ownership that returns nothing for a key or a subject owns nothing there', async () => {
  const owner = (key: string): string | null | undefined => (key === '7/1' ? null : undefined)
  for (const ownership of [{ owns: owner }, { keys: () => undefined }]) {
    const { users, left } = await games(ownership)
    expect((await users.export(ALICE)).values).toEqual([])
    expect((await users.erase(ALICE)).values).toEqual([])
    expect(await left()).toEqual(KEYS)
  }
})

test('if one space cannot be erased, the others are, and the error is thrown afterwards', async () => {
  const storage = memory()
  const { users } = sentinel({ storage })
  users.include('wrong keys', { keys: () => '7' } as never)
  users.include('wrong owner', { owns: () => 1 } as never)
  users.include('drafts', { keys: ({ id }) => [String(id)] })
  for (const space of ['wrong keys', 'wrong owner', 'drafts']) await storage.values.put(space, '7', 'text')
  await expect(users.erase(ALICE)).rejects.toEqual(named('"wrong keys": keys() returned "7"'))
  expect(await storage.values.get('drafts', '7')).toBeUndefined()
  expect(await storage.values.get('wrong owner', '7')).toBe('text')
})

test('if a storage cannot remove the values of one space, those of others are removed', async () => {
  const storage = memory()
  const remove = async (space: string, key: string): Promise<boolean> => {
    if (space === 'stuck') throw new Error('no right to delete')
    return storage.values.remove(space, key)
  }
  const values = { ...later(storage).values, remove }
  const { users } = sentinel({ storage: { ...later(storage), values } })
  const ownership: Ownership = { keys: ({ id }) => [String(id)] }
  for (const space of ['stuck', 'drafts']) {
    users.include(space, ownership)
    await storage.values.put(space, '7', 'text')
  }
  await expect(users.erase(ALICE)).rejects.toMatchObject({ code: 'storage.unavailable' })
  expect(await storage.values.get('drafts', '7')).toBeUndefined()
})
