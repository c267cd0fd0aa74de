import { memory, type Ownership, sentinel } from '../../src/index.js'

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
  ['nothing', { owns: () => undefined }, '"games": owns() returned undefined, not true or false'],
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
