import type { Check } from '../../core/check.js'
import { memberKey } from '../../core/subject.js'
import { refuses, same } from '../expecting.js'
import { ALICE, BOB, blocked, type Case, claim, limited, planOf } from '../stand.js'

/** Plans, resets and closing. */
export const lifeCases: readonly Case[] = [
  {
    name: 'a reset clears one slot or all slots of a subject, and of no other subject',
    async run(stand) {
      const limit = { amount: 1, per: 60_000 }
      const judge = await stand.prepare(limited('bucket', limit, 'a'), limited('log', limit, 'b'), claim())
      for (const key of [ALICE, BOB, memberKey(ALICE, -5)]) await stand.ask(judge, key)
      await stand.storage.reset(1, ALICE, 'a')
      same((await stand.ask(judge)).refusedBy, 1)
      await stand.storage.reset(1, ALICE, 'b')
      same((await stand.ask(judge)).refusedBy, 2)
      await stand.storage.reset(1, 'u1')
      same(await stand.admits(judge), true)
      same((await stand.ask(judge, BOB)).refusedBy, 0)
      await stand.storage.reset(1, memberKey(ALICE, -5))
      same(await stand.admits(judge, memberKey(ALICE, -5)), true)
    },
  },
  {
    name: 'a reset ends a penalty, and does not change marks, users and values',
    async run(stand) {
      const onRefusal = { penalty: { after: 1, within: 1000, bans: [60_000] } }
      const judge = await stand.prepare(limited('log', { amount: 1, per: 10 }, 'log', { onRefusal }))
      const { marks, users, values } = stand.storage
      await stand.block()
      await users.note(1, [{ key: ALICE, at: stand.now }])
      await values.put('s', 'u1', 1)
      await stand.ask(judge)
      await stand.ask(judge)
      stand.now += 1000
      same((await stand.ask(judge)).cause, 'penalty')
      await stand.storage.reset(1, ALICE)
      same(await stand.admits(judge), true)
      same((await marks.get(1, ALICE, 'blocked'))?.since, stand.now - 1000)
      same((await users.get(1, ALICE))?.key, ALICE)
      same(await values.get('s', 'u1'), 1)
    },
  },
  {
    name: 'plans of different names on one storage share no state',
    async run(stand) {
      const checks = [limited('log', { amount: 1, per: 60_000 }), claim()]
      const judges = [
        await stand.storage.prepare({ ...planOf(checks), name: 'one' }),
        await stand.storage.prepare({ ...planOf(checks), name: 'one:two' }),
        await stand.storage.prepare({ ...planOf(checks), name: '{one}' }),
      ]
      for (const judge of judges) same(await stand.admits(judge), true)
      for (const judge of judges) same((await stand.ask(judge)).refusedBy, 0)
      await stand.storage.reset(1, ALICE)
      for (const judge of judges) same(await stand.admits(judge), true)
    },
  },
  {
    name: 'close may be called twice; nothing is prepared afterwards',
    async run({ storage }) {
      await storage.close()
      await storage.close()
      await refuses('storage.closed', async () => storage.prepare(planOf([])))
      same((await storage.health()).ok, false)
    },
  },
  {
    name: 'plans that cannot be counted exactly are refused',
    async run(stand) {
      const unsound: Check[] = [
        limited('log', { amount: 1.5, per: 1000 }),
        limited('bucket', { amount: 1, per: 0.5 }),
        limited('fixed', { amount: 1, per: 1000 }, 'x', { subject: 2 }),
        limited('bucket', { amount: 1, per: 1000, burst: Number.NaN }),
        claim({ holdFor: 0 }),
        claim({ lease: 0 }),
        claim({ tokens: 'sequence', whenHeld: 'waive' }),
        { ...blocked, onRefusal: { penalty: { after: 1, within: 1000, bans: [] } } },
      ]
      for (const check of unsound) await refuses('plan.invalid', async () => stand.prepare(check))
      await refuses('limit.duplicate', async () => stand.prepare(blocked, blocked))
    },
  },
]
