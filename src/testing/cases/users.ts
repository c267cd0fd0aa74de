import { type Key, memberKey, ownKey, senderKey, userKey } from '../../core/subject.js'
import { pagesOf } from '../../storage/contract/pages.js'
import type { UserRecord } from '../../storage/contract/users.js'
import { matches, refuses, same } from '../expecting.js'
import { ALICE, BOB, type Case, type Stand } from '../stand.js'

async function all({ storage }: Stand, bot: number, size?: number): Promise<UserRecord[]> {
  const users: UserRecord[] = []
  for await (const page of pagesOf((from) => storage.users.scan(bot, from, size))) {
    if (size !== undefined) same(page.users.length <= size, true, `whether a page has ${size} at most`)
    users.push(...page.users)
  }
  return users
}

/** Records of users. */
export const userCases: readonly Case[] = [
  {
    name: 'activity is added up, in whatever order it is noted and under either form of a key',
    async run(stand) {
      const { users } = stand.storage
      const { now } = stand
      same(await users.get(1, ALICE), undefined)
      await users.note(1, [
        { key: ALICE, at: now, counts: { messages: 2, denials: 1 } },
        { key: BOB, at: now },
        { key: 'u1', at: now + 5, counts: { messages: 1 } },
      ])
      await users.note(1, [{ key: ALICE, at: now - 5, counts: { taps: 0.5 } }])
      await users.note(1, [])
      same(await users.get(1, 'u1'), {
        key: ALICE,
        firstSeen: now - 5,
        lastSeen: now + 5,
        counts: { messages: 3, denials: 1, taps: 0.5 },
        data: {},
      })
      same(await users.get(1, BOB), { key: BOB, firstSeen: now, lastSeen: now, counts: {}, data: {} })
      same(await users.get(2, ALICE), undefined)
    },
  },
  {
    name: 'activity that is noted at the same time is all added up',
    async run(stand) {
      const { users } = stand.storage
      const notes = Array.from({ length: 40 }, (_, nth) =>
        users.note(
          1,
          [ALICE, BOB].map((key) => ({
            key,
            at: stand.now + nth,
            counts: { messages: 1, [`n${nth % 3}`]: 2 },
          })),
        ),
      )
      await Promise.all(notes)
      for (const key of [ALICE, BOB]) {
        matches(await users.get(1, key), {
          firstSeen: stand.now,
          lastSeen: stand.now + 39,
          counts: { messages: 40, n0: 28, n1: 26, n2: 26 },
        })
      }
    },
  },
  {
    name: 'data is merged field by field, and null takes a field away',
    async run(stand) {
      const { users } = stand.storage
      const made = await users.patch(1, 'u1', { language: 'en', theme: { dark: true }, gone: 1 })
      const expected = { key: ALICE, firstSeen: stand.now, lastSeen: stand.now, counts: {} }
      same(made, { ...expected, data: { language: 'en', theme: { dark: true }, gone: 1 } })
      stand.now += 10
      const patch = { theme: { size: 2 }, gone: null, absent: null, untouched: undefined }
      same(await users.patch(1, ALICE, patch), { ...expected, data: { language: 'en', theme: { size: 2 } } })
      await users.note(1, [{ key: ALICE, at: stand.now, counts: { messages: 1 } }])
      same(await users.get(1, ALICE), {
        ...expected,
        lastSeen: stand.now,
        counts: { messages: 1 },
        data: { language: 'en', theme: { size: 2 } },
      })
    },
  },
  {
    name: 'simultaneous patches are all merged',
    async run(stand) {
      const { users } = stand.storage
      await Promise.all(
        Array.from({ length: 20 }, (_, nth) => users.patch(1, ALICE, { [`field ${nth}`]: nth })),
      )
      const data = (await users.get(1, ALICE))?.data
      same(data, Object.fromEntries(Array.from({ length: 20 }, (_, nth) => [`field ${nth}`, nth])))
    },
  },
  {
    name: 'data and counts may have any name, and are copies',
    async run(stand) {
      const { users } = stand.storage
      const odd = JSON.parse(
        '{"__proto__": {"polluted": 1}, "constructor": [1], "a.b": "x\\u0000y", "ключ 🔑": "\'"}',
      )
      const counts = JSON.parse('{"__proto__": 1, "a.b:{c}": 2, "ключ": 3}')
      const given = { list: [1] }
      await users.patch(1, ALICE, given)
      given.list.push(2)
      await users.patch(1, ALICE, odd)
      for (let i = 0; i < 2; i++) await users.note(1, [{ key: ALICE, at: stand.now, counts }])
      const found = await users.get(1, ALICE)
      const fields = (of: object | undefined): Map<string, unknown> => new Map(Object.entries(of ?? {}))
      same(fields(found?.counts), fields(JSON.parse('{"__proto__": 2, "a.b:{c}": 4, "ключ": 6}')))
      same(fields(found?.data), new Map([...fields({ list: [1] }), ...fields(odd)]))
      const read = found?.data.list as number[]
      read.push(3)
      same((await users.get(1, ALICE))?.data.list, [1])
      same(({} as { polluted?: unknown }).polluted, undefined)
    },
  },
  {
    name: 'pages of users contain each user once, even while others are erased',
    async run(stand) {
      const { users } = stand.storage
      const keys: Key[] = Array.from({ length: 25 }, (_, index) => userKey(index + 1))
      keys.push(senderKey(-100), ownKey('a:b'), memberKey(ALICE, -5), userKey(2 ** 50))
      await users.note(
        1,
        keys.map((key) => ({ key, at: stand.now, counts: { messages: 1 } })),
      )
      await users.note(2, [{ key: ALICE, at: stand.now }])
      for (const size of [undefined, 4, 1]) {
        const found = await all(stand, 1, size)
        same(found.length, keys.length)
        same(new Set(found.map(({ key }) => key)).size, keys.length)
        same(
          found.every(({ key, counts }) => keys.includes(key) && counts.messages === 1),
          true,
        )
      }
      const seen: Key[] = []
      for await (const page of pagesOf((from) => users.scan(1, from, 7))) {
        for (const { key } of page.users) same(await users.erase(1, key), true)
        seen.push(...page.users.map(({ key }) => key))
      }
      same(new Set(seen).size, keys.length)
      same(await users.scan(1), { users: [] })
      same((await all(stand, 2)).length, 1)
    },
  },
  {
    name: 'a user who is erased is unknown, and starts over',
    async run(stand) {
      const { users, marks } = stand.storage
      await users.note(1, [{ key: ALICE, at: stand.now, counts: { messages: 1 } }])
      await users.patch(1, ALICE, { language: 'en' })
      await stand.block()
      same(await users.erase(1, 'u1'), true)
      same(await users.erase(1, ALICE), false)
      same(await users.get(1, ALICE), undefined)
      matches(await marks.get(1, ALICE, 'blocked'), { since: stand.now })
      await users.note(1, [{ key: ALICE, at: stand.now + 9 }])
      same(await users.get(1, ALICE), {
        key: ALICE,
        firstSeen: stand.now + 9,
        lastSeen: stand.now + 9,
        counts: {},
        data: {},
      })
    },
  },
  {
    name: 'activity of a thousand users in one call is noted for each',
    async run(stand) {
      const keys = Array.from({ length: 1000 }, (_, nth) => userKey(nth + 1))
      await stand.storage.users.note(
        1,
        keys.map((key) => ({ key, at: stand.now })),
      )
      same((await all(stand, 1)).length, 1000)
    },
  },
  {
    name: 'invalid activity and data are refused, and nothing of them is stored',
    async run(stand) {
      const { users } = stand.storage
      const sound = { key: BOB, at: stand.now }
      for (const wrong of [
        { key: ALICE, at: Number.NaN },
        { key: ALICE, at: stand.now, counts: { messages: Number.NaN } },
        { key: ALICE, at: stand.now, counts: { messages: Number.POSITIVE_INFINITY } },
        { key: ALICE, at: stand.now, counts: { '': 1 } },
      ]) {
        await refuses('value.invalid', async () => users.note(1, [sound, wrong]))
      }
      const numbers = [{ field: Number.NaN }, { field: { deep: [Number.NEGATIVE_INFINITY] } }]
      for (const wrong of [null, 'text', [1], { field: 1n }, { field: () => 1 }, { '': 1 }, ...numbers]) {
        await refuses('value.invalid', async () => users.patch(1, ALICE, wrong as Record<string, unknown>))
      }
      same(await users.scan(1), { users: [] })
    },
  },
]
