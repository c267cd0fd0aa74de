import { chatKey, keyText, memberKey, userKey } from '../../core/subject.js'
import type { UserRecord } from '../../storage/contract/users.js'
import { same } from '../expecting.js'
import type { Case } from '../stand.js'

const ALICE = userKey(7)
const BOB = userKey(77)
/** A member, and the member's use of a command in the chat. */
const INSIDE = memberKey(ALICE, -100)
const DEEP = `xbuy:${keyText(INSIDE)}`
/** Keys of others that end like one of Alice's keys. */
const OTHERS = ['kmine:u7', 'm-100:kmine:u7', 'm-100:u77', 'u77']

/** Storages that can be read as a whole; others have no `archive`. */
export const archiveCases: readonly Case[] = [
  {
    name: 'the archive lists everything that is stored, by name',
    async run(stand) {
      const { archive, marks, users, values } = stand.storage
      if (archive === undefined) return
      same(await archive.contents(), { bots: [], spaces: [] })
      const mark = { since: stand.now }
      await marks.put(2, 'role:Ünï {x}:y', [{ key: ALICE, mark }])
      await marks.put(2, 'blocked', [{ key: BOB, mark }])
      await users.note(11, [{ key: ALICE, at: stand.now }])
      await users.note(2, [{ key: ALICE, at: stand.now }])
      const spaces = ['carts', 'space: {s}* 100%7b', 'ключ']
      for (const space of spaces) await values.put(space, 'k', 1)
      same(await archive.contents(), {
        bots: [
          { id: 2, marks: ['blocked', 'role:Ünï {x}:y'], users: true },
          { id: 11, marks: [], users: true },
        ],
        spaces: [...spaces].sort(),
      })
    },
  },
  {
    name: 'records of users are restored completely, replacing what was stored',
    async run({ storage, now }) {
      const { archive, users } = storage
      if (archive === undefined) return
      await users.note(1, [{ key: ALICE, at: now, counts: { message: 5, gone: 1 } }])
      await users.patch(1, ALICE, { gone: true })
      const alice: UserRecord = {
        key: ALICE,
        firstSeen: now - 1000.5,
        lastSeen: now - 1,
        counts: JSON.parse('{"message": 2.5, "__proto__": 1}') as Record<string, number>,
        data: JSON.parse('{"a": {"b": [null, "ключ"]}, "__proto__": 1}') as Record<string, unknown>,
      }
      const bob = { key: BOB, firstSeen: 1, lastSeen: 2, counts: {}, data: {} }
      await archive.restore(1, [alice, bob])
      await archive.restore(1, [bob])
      same(await users.get(1, ALICE), alice)
      same((await users.scan(1)).users.length, 2)
      await users.note(1, [{ key: BOB, at: 3, counts: { message: 1 } }])
      same(await users.get(1, BOB), { key: BOB, firstSeen: 1, lastSeen: 3, counts: { message: 1 }, data: {} })
    },
  },
  {
    name: 'a subject that is forgotten has used nothing, and its marks are returned, including lapsed ones and those as a member',
    async run(stand) {
      const { archive, marks } = stand.storage
      if (archive === undefined) return
      const check = { kind: 'bucket', guard: 'throttle', slot: 'user', subject: 0 } as const
      const plan = {
        name: 'main',
        scopes: ['user'],
        checks: [{ ...check, limit: { amount: 1, per: 60_000 } }],
      }
      const judge = await stand.storage.prepare(plan)
      const asks = async (key: number | string): Promise<boolean> => {
        const ask = { bot: 1, subjects: [key], costs: [1], tokens: [] }
        return (await judge.evaluate(ask, stand.now)).refusedBy === -1
      }
      for (const key of [ALICE, BOB]) same(await asks(key), true)
      for (const key of [ALICE, BOB]) same(await asks(key), false)
      const mark = { since: stand.now }
      await marks.put(
        1,
        'blocked',
        [ALICE, DEEP, ...OTHERS].map((key) => ({ key, mark })),
      )
      await marks.put(1, 'lapsed', [{ key: INSIDE, mark: { ...mark, until: stand.now + 1 } }])
      await marks.put(2, 'another bot', [{ key: ALICE, mark }])
      stand.now += 2
      const found = await archive.marksOf(1, [ALICE, chatKey(7)])
      await archive.forget(1, [ALICE, chatKey(7)])
      const lines = found.map(({ key, names }) => `${keyText(key)} ${[...names].sort().join(' ')}`)
      same(
        lines.filter((line) => !line.endsWith(' lapsed')).sort(),
        [`${keyText(ALICE)} blocked`, `${DEEP} blocked`].sort(),
      )
      // Expired entries may have been removed already; if not, they are listed.
      same(
        lines
          .filter((line) => line.endsWith(' lapsed'))
          .every((line) => line === `${keyText(INSIDE)} lapsed`),
        true,
        'whether nobody else is named',
      )
      same([await asks(ALICE), await asks(BOB)], [true, false])
      same((await marks.scan(1, 'blocked')).entries.length, 2 + OTHERS.length, 'how many are still marked')
    },
  },
  {
    name: 'a value is read with its end, and the end can be moved without writing the value',
    async run(stand) {
      const { values } = stand.storage
      const end = stand.now + 1000
      await values.put('s', 'ends', { a: 1 }, end)
      await values.put('s', 'stays', 'text')
      const all = async () => [...(await values.scan('s')).entries].sort((a, b) => (a.key < b.key ? -1 : 1))
      same(await all(), [
        { key: 'ends', value: { a: 1 }, until: end },
        { key: 'stays', value: 'text' },
      ])
      if (values.touch === undefined) return
      same(await values.touch('s', 'ends', end + 500), true)
      same(await values.touch('s', 'stays', end), true)
      same(await values.touch('s', 'nothing', end), false)
      same(await all(), [
        { key: 'ends', value: { a: 1 }, until: end + 500 },
        { key: 'stays', value: 'text', until: end },
      ])
      stand.now += 1000
      same(await all(), [{ key: 'ends', value: { a: 1 }, until: end + 500 }])
      same(await values.touch('s', 'stays'), false, 'whether what has lapsed can be moved')
      same(await values.touch('s', 'ends'), true)
      stand.now += 1_000_000
      same(await all(), [{ key: 'ends', value: { a: 1 } }])
    },
  },
  {
    name: 'sessions lapse after the time given for each, and can be touched',
    async run(stand) {
      interface Cart {
        readonly items: number
      }
      const carts = stand.storage.sessions<Cart>({
        name: 'cart',
        ttl: ({ items }) => (items === 0 ? '1m' : items === 9 ? undefined : '1h'),
      })
      for (const items of [0, 1, 9]) await carts.write(String(items), { items })
      stand.now += 59_999
      same(await carts.touch('0'), true)
      stand.now += 59_999
      same([await carts.has('0'), await carts.touch('missing')], [true, false])
      same(await carts.touch('0', '2h'), true)
      stand.now += 3_600_000
      same(
        [await carts.read('0'), await carts.read('1'), await carts.read('9')],
        [{ items: 0 }, undefined, { items: 9 }],
      )
      stand.now += 3_600_000
      same([await carts.has('0'), await carts.has('9')], [false, true])
    },
  },
]
