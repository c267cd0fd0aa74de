import { GLOBAL_KEY, type Key, memberKey, ownKey, userKey } from '../../core/subject.js'
import { pagesOf } from '../../storage/contract/pages.js'
import type { Mark, MarkEntry } from '../../storage/contract/storage.js'
import { matches, same } from '../expecting.js'
import { ALICE, BOB, blocked, type Case } from '../stand.js'

/** Durable marks and the notifications of their changes. */
export const markCases: readonly Case[] = [
  {
    name: 'marks are put, replaced, removed and lapse, under either form of a key',
    async run(stand) {
      const { marks } = stand.storage
      const until = stand.now + 10
      await marks.put(1, 'role', [{ key: 'u1', mark: { since: stand.now, reason: 'first' } }])
      await marks.put(1, 'role', [{ key: ALICE, mark: { since: stand.now, until, value: { a: [1] } } }])
      same(await marks.get(1, 'u1', 'role'), { since: stand.now, until, value: { a: [1] } })
      same(await marks.get(2, ALICE, 'role'), undefined)
      same(await marks.get(1, ALICE, 'other'), undefined)
      stand.now += 10
      same(await marks.get(1, ALICE, 'role'), undefined)
      same(await marks.scan(1, 'role'), { entries: [] })
      await marks.put(1, 'role', [{ key: ALICE, mark: { since: stand.now } }])
      same(await marks.remove(1, 'role', ['u1', BOB]), 1)
      same(await marks.remove(1, 'role', [ALICE]), 0)
    },
  },
  {
    name: 'a mark whose end is infinite is kept forever, and read without an end',
    async run(stand) {
      const { marks } = stand.storage
      const since = stand.now
      await marks.put(1, 'role', [{ key: ALICE, mark: { since, until: Number.POSITIVE_INFINITY } }])
      stand.now += 1e12
      same(await marks.get(1, ALICE, 'role'), { since })
      same((await marks.scan(1, 'role')).entries, [{ key: ALICE, mark: { since } }])
    },
  },
  {
    name: 'a mark is read as it was put, whatever it contains and whichever subject holds it',
    async run(stand) {
      const { marks } = stand.storage
      const mark: Mark = {
        since: stand.now,
        reason: 'spam: "\'\\ \0 \u2028 🔑 {}',
        value: { text: 'a\0b', list: [1.5, null, true, {}], empty: '' },
      }
      const keys = [
        ALICE,
        GLOBAL_KEY,
        ownKey("a:b{c}'\0\\"),
        ownKey('🔑'),
        memberKey(userKey(2 ** 45), -100),
        userKey(2 ** 50),
      ]
      const names = ['role:vip', 'role:Ünï {x}:y', 'a']
      for (const name of names)
        await marks.put(
          1,
          name,
          keys.map((key) => ({ key, mark })),
        )
      for (const name of names) {
        for (const key of keys) same(await marks.get(1, key, name), mark)
        const { entries } = await marks.scan(1, name)
        same(new Set(entries.map(({ key }) => key)).size, keys.length)
        for (const { key, mark: found } of entries) {
          same(keys.includes(key), true, `whether ${key} was put`)
          same(found, mark)
        }
      }
    },
  },
  {
    name: 'all marks of one subject that have not lapsed are read',
    async run(stand) {
      const { marks } = stand.storage
      same(await marks.of(1, ALICE), new Map())
      const vip: Mark = { since: stand.now, until: stand.now + 10 }
      const banned: Mark = { since: stand.now, reason: 'spam' }
      await marks.put(1, 'role:vip', [{ key: ALICE, mark: vip }])
      await marks.put(
        1,
        'blocked',
        [ALICE, BOB].map((key) => ({ key, mark: banned })),
      )
      await marks.put(2, 'registered', [{ key: ALICE, mark: banned }])
      same(
        new Map(await marks.of(1, 'u1')),
        new Map([
          ['role:vip', vip],
          ['blocked', banned],
        ]),
      )
      stand.now += 10
      same(new Map(await marks.of(1, ALICE)), new Map([['blocked', banned]]))
      await marks.remove(1, 'blocked', [ALICE])
      same((await marks.of(1, ALICE)).size, 0)
      same((await marks.of(1, BOB)).size, 1)
    },
  },
  {
    name: 'pages of marks contain every subject that holds the mark throughout, even while other marks are removed',
    async run(stand) {
      const { marks } = stand.storage
      const keys = Array.from({ length: 25 }, (_, index) => userKey(index + 1))
      await marks.put(
        1,
        'blocked',
        keys.map((key) => ({ key, mark: { since: stand.now } })),
      )
      const seen: Key[] = []
      for await (const { entries } of pagesOf((from) => marks.scan(1, 'blocked', from, 4))) {
        same(entries.length <= 4, true, 'whether a page has four at most')
        const found = entries.map(({ key }) => key)
        seen.push(...found)
        await marks.remove(1, 'blocked', found)
      }
      same(seen.length, 25)
      same(new Set(seen).size, 25)
    },
  },
  {
    name: 'many marks are put and removed at once',
    async run(stand) {
      const { marks } = stand.storage
      // More than a page of a scan, and than two batches of any storage.
      const keys = Array.from({ length: 1100 }, (_, index) => userKey(index + 1))
      await marks.put(
        1,
        'blocked',
        keys.map((key) => ({ key, mark: { since: stand.now } })),
      )
      await marks.put(1, 'blocked', [])
      let held = 0
      for await (const { entries } of pagesOf((from) => marks.scan(1, 'blocked', from)))
        held += entries.length
      same(held, 1100)
      same(await marks.remove(1, 'blocked', []), 0)
      same(await marks.remove(1, 'blocked', keys), 1100)
      same(await marks.scan(1, 'blocked'), { entries: [] })
    },
  },
  {
    name: 'if one call puts a mark on a subject twice, the last one holds; if one call removes it twice, it counts once',
    async run(stand) {
      const { marks } = stand.storage
      const of = (key: Key, reason: string): MarkEntry => ({ key, mark: { since: stand.now, reason } })
      await marks.put(1, 'blocked', [of(ALICE, 'first'), of(BOB, 'other'), of('u1', 'last')])
      same((await marks.get(1, ALICE, 'blocked'))?.reason, 'last')
      same((await marks.scan(1, 'blocked')).entries.length, 2)
      same(await marks.remove(1, 'blocked', [ALICE, 'u1', ALICE]), 1)
      same((await marks.scan(1, 'blocked')).entries.length, 1)
    },
  },
  {
    name: 'a mark that is put or removed counts for the very next ask',
    async run(stand) {
      const judge = await stand.prepare(blocked)
      for (let i = 0; i < 3; i++) {
        await stand.block()
        matches(await stand.ask(judge), { refusedBy: 0 })
        await stand.storage.marks.remove(1, 'blocked', [ALICE])
        matches(await stand.ask(judge), { refusedBy: -1 })
      }
    },
  },
]
