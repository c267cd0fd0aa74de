import { userKey } from '../../core/subject.js'
import type { Mark } from '../../storage/contract/storage.js'
import { matches, same } from '../expecting.js'
import { ALICE, askOf, type Case, claim, FORMS, type Form, limited } from '../stand.js'

/** Two ids of bots with ten digits that are equal in their lower 32 bits. */
const ONE = 7_123_456_789
const OTHER = ONE + 2 ** 32

function together(form: Form): Case {
  return {
    name: `of many users who ask at once in one chat, exactly as many as its limit of form ${form} allows are admitted`,
    async run(stand) {
      const own = limited('bucket', { amount: 2, per: 60_000 }, 'user')
      const judge = await stand.prepare(own, limited(form, { amount: 7, per: 60_000 }, form, { subject: 1 }))
      const users = Array.from({ length: 30 }, (_, nth) => userKey(nth + 1))
      const decisions = await Promise.all(users.map((user) => judge.evaluate(askOf(user), stand.now)))
      const admitted = decisions.map(({ refusedBy }) => refusedBy === -1)
      same(admitted.filter(Boolean).length, 7, 'how many were admitted')
      // Users refused by the limit of the chat were charged nothing.
      for (const [nth, user] of users.entries()) {
        matches(await stand.peek(judge, user), { refusedBy: 1, remaining: [admitted[nth] ? 1 : 2, 0] })
      }
    },
  }
}

/** Independent state is kept apart, and shared state stays consistent under concurrent requests. */
export const apartCases: readonly Case[] = [
  ...FORMS.map(together),
  {
    name: 'marks of several names that are put on one subject at once are all stored',
    async run(stand) {
      const { marks } = stand.storage
      const names = Array.from({ length: 12 }, (_, nth) => `role:${nth}`)
      const mark: Mark = { since: stand.now }
      await Promise.all(names.map((name) => marks.put(1, name, [{ key: ALICE, mark }])))
      same(new Map(await marks.of(1, ALICE)), new Map(names.map((name) => [name, mark])))
      await Promise.all(names.slice(1).map((name) => marks.remove(1, name, [ALICE])))
      same(new Map(await marks.of(1, ALICE)), new Map([['role:0', mark]]))
    },
  },
  {
    name: 'marks, activity, removals and resets of one bot do not affect another',
    async run(stand) {
      const { marks, users } = stand.storage
      const judge = await stand.prepare(
        limited('bucket', { amount: 1, per: 60_000 }),
        limited('log', { amount: 1, per: 60_000 }),
        claim(),
      )
      const reason = 'here'.repeat(250)
      const [here, there]: readonly Mark[] = [{ since: stand.now, reason }, { since: stand.now + 1 }]
      for (const [bot, mark] of [
        [ONE, here],
        [OTHER, there],
      ] as const) {
        await marks.put(bot, 'blocked', [{ key: ALICE, mark: mark as Mark }])
        await users.patch(bot, ALICE, { bot })
        await users.note(bot, [{ key: ALICE, at: stand.now, counts: { messages: bot } }])
        same(await stand.admits(judge, ALICE, 1, 0, bot), true)
      }
      for (const bot of [ONE, OTHER]) {
        const mark = bot === ONE ? here : there
        same(await marks.get(bot, ALICE, 'blocked'), mark)
        same(await marks.scan(bot, 'blocked'), { entries: [{ key: ALICE, mark }] })
        matches(await users.get(bot, ALICE), { data: { bot }, counts: { messages: bot } })
      }
      await users.patch(ONE, ALICE, { bot: null, only: 'here' })
      await stand.storage.reset(ONE, ALICE)
      same(await marks.remove(ONE, 'blocked', [ALICE]), 1)
      same(await users.erase(ONE, ALICE), true)
      same(await stand.admits(judge, ALICE, 1, 0, ONE), true)
      matches(await stand.ask(judge, ALICE, 1, 0, OTHER), { refusedBy: 0 })
      same(await marks.get(OTHER, ALICE, 'blocked'), there)
      matches(await users.get(OTHER, ALICE), { data: { bot: OTHER }, counts: { messages: OTHER } })
    },
  },
  {
    name: 'names of spaces, keys and marks are distinguished exactly, letter by letter',
    async run(stand) {
      const { marks, values } = stand.storage
      // Names differing in case, white space, or Unicode normalization.
      const names = ['k', 'K', 'k ', ' k', '\u00e9', 'e\u0301', 'k\t']
      for (const space of names) for (const key of names) await values.put(space, key, `${space} of ${key}`)
      for (const space of names) {
        for (const key of names) same(await values.get(space, key), `${space} of ${key}`)
        const { entries } = await values.scan(space)
        same(entries.map(({ key }) => key).sort(), [...names].sort())
      }
      same(await values.remove('K', 'k'), true)
      same(await values.get('k', 'k'), 'k of k')
      for (const [nth, name] of names.entries()) {
        await marks.put(1, `role:${name}`, [{ key: ALICE, mark: { since: nth } }])
      }
      for (const [nth, name] of names.entries()) {
        same(await marks.get(1, ALICE, `role:${name}`), { since: nth })
      }
    },
  },
  {
    name: 'a mark that is put again replaces the old one completely: its end, reason and value',
    async run(stand) {
      const { marks } = stand.storage
      const until = stand.now + 1000
      await marks.put(1, 'role', [{ key: ALICE, mark: { since: stand.now, until, reason: 'x', value: [1] } }])
      await marks.put(1, 'role', [{ key: ALICE, mark: { since: stand.now } }])
      same(await marks.get(1, ALICE, 'role'), { since: stand.now })
      stand.now += 5_000_000
      same(await marks.get(1, ALICE, 'role'), { since: stand.now - 5_000_000 })
    },
  },
  {
    name: 'changing a mark object after putting or reading it does not change the stored mark, however large it is',
    async run(stand) {
      const { marks } = stand.storage
      const reason = 'because '.repeat(20)
      const given = { list: [1] }
      const change = (mark: Mark | undefined): void => {
        ;(mark as { value: typeof given }).value.list.push(2)
      }
      await marks.put(1, 'role', [{ key: ALICE, mark: { since: stand.now, reason, value: given } }])
      given.list.push(2)
      const expected = { since: stand.now, reason, value: { list: [1] } }
      const read = await marks.get(1, ALICE, 'role')
      same(read, expected)
      change(read)
      const of = (await marks.of(1, ALICE)).get('role')
      same(of, expected)
      change(of)
      const [entry] = (await marks.scan(1, 'role')).entries
      same(entry, { key: ALICE, mark: expected })
      change(entry?.mark)
      same(await marks.get(1, ALICE, 'role'), expected)
    },
  },
]
