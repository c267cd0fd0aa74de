import type { Check, Judge } from '../../../src/core/check.js'
import { type Key, userKey } from '../../../src/core/subject.js'
import type { Mark } from '../../../src/storage/contract/storage.js'
import {
  ALICE,
  askOf,
  BOB,
  BOT,
  blocked,
  bucket,
  isAdmitted,
  type Outage,
  outage,
  settled,
} from '../outage.js'

/* The storage decides, but cannot write marks: an index is being built on them, or a standby does not confirm. */

const MARK: Mark = { since: 1, reason: 'spam' }
const isWrite = (what: string): boolean => what === 'marks.put' || what === 'marks.remove'

async function passes(judge: Judge, key: Key): Promise<boolean> {
  return isAdmitted(await judge.evaluate(askOf(key)))
}

async function passed(judge: Judge, key: Key): Promise<number> {
  let count = 0
  while (count < 9 && (await passes(judge, key))) count++
  return count
}

async function standing(...checks: readonly Check[]): Promise<{ stage: Outage; judge: Judge }> {
  const stage = outage()
  stage.remote.parts = isWrite
  const judge = await stage.judgeOf(...checks)
  await judge.evaluate(askOf(userKey(99)))
  await settled()
  return { stage, judge }
}

/** Starts to write a mark, which the storage does not do in time. Returns the error. */
async function unwritten(
  stage: Outage,
  write: (marks: Outage['storage']['marks']) => unknown,
): Promise<Error> {
  stage.remote.fault = 'hangs'
  const told = (async () => write(stage.storage.marks))().then(
    () => new Error('it was written'),
    (error: Error) => error,
  )
  await stage.pass(2100)
  expect((await stage.storage.health()).circuit).toMatchObject({ state: 'closed', waiting: { marks: 1 } })
  return told
}

const put =
  (name: string, key: Key, mark = MARK) =>
  (marks: Outage['storage']['marks']) =>
    marks.put(BOT, name, [{ key, mark }])
const remove = (name: string, key: Key) => (marks: Outage['storage']['marks']) =>
  marks.remove(BOT, name, [key])

/** The storage completes the hanging writes, and all later ones. */
async function recovers(stage: Outage): Promise<void> {
  stage.remote.resume()
  await stage.pass(1000)
  expect((await stage.storage.health()).circuit?.waiting.marks).toBe(0)
}

const registered = (more: Partial<Check> = {}): Check =>
  ({ kind: 'present', guard: 'auth', slot: 'auth', subject: 0, anyOf: ['registered'], ...more }) as Check

describe('if the storage answers but cannot write marks', () => {
  test('a block holds in this process, as its error says, and is stored later', async () => {
    const { stage, judge } = await standing(blocked)
    const { message } = await unwritten(stage, put('blocked', ALICE))
    expect(message).toMatch('It holds in this process')
    // health().ok is true already, so the message does not refer to it.
    expect(message).not.toMatch('health().ok')
    expect([await passes(judge, ALICE), await passes(judge, BOB)]).toEqual([false, true])
    expect(isAdmitted(await judge.peek(askOf(ALICE)))).toBe(false)
    expect(await stage.storage.marks.get(BOT, ALICE, 'blocked')).toEqual(MARK)
    expect(await stage.storage.marks.of(BOT, ALICE)).toEqual(new Map([['blocked', MARK]]))
    expect(await stage.storage.marks.of(BOT, BOB)).toEqual(new Map())
    await recovers(stage)
    expect(await stage.remote.kept.marks.get(BOT, ALICE, 'blocked')).toEqual(MARK)
    expect([await passes(judge, ALICE), await passes(judge, BOB)]).toEqual([false, true])
  })

  test('a block keeps holding while it is written again', async () => {
    const { stage, judge } = await standing(blocked)
    await unwritten(stage, put('blocked', ALICE))
    const again = Promise.resolve(stage.storage.marks.put(BOT, 'blocked', [{ key: ALICE, mark: MARK }]))
    const refused = expect(again).rejects.toMatchObject({ code: 'storage.unavailable' })
    await settled()
    expect(await passes(judge, ALICE)).toBe(false)
    expect(await stage.storage.marks.get(BOT, ALICE, 'blocked')).toEqual(MARK)
    expect(await stage.storage.marks.of(BOT, ALICE)).toEqual(new Map([['blocked', MARK]]))
    await stage.pass(2100)
    await refused
    expect(await passes(judge, ALICE)).toBe(false)
  })

  test('a block ends when it lapses', async () => {
    const { stage, judge } = await standing(blocked)
    await unwritten(stage, put('blocked', ALICE, { since: 1, until: stage.time.now + 5000 }))
    expect(await passes(judge, ALICE)).toBe(false)
    await stage.pass(3000)
    expect(await passes(judge, ALICE)).toBe(true)
    expect(await stage.storage.marks.get(BOT, ALICE, 'blocked')).toBeUndefined()
  })

  test('an unblocked user passes, and the storage still counts', async () => {
    const { stage, judge } = await standing(blocked, bucket(3))
    await stage.remote.kept.marks.put(BOT, 'blocked', [{ key: ALICE, mark: MARK }])
    await settled()
    expect(await passes(judge, ALICE)).toBe(false)
    await unwritten(stage, remove('blocked', ALICE))
    expect(await stage.storage.marks.get(BOT, ALICE, 'blocked')).toBeUndefined()
    expect(await passed(judge, ALICE)).toBe(3)
    await recovers(stage)
    expect(await passes(judge, ALICE)).toBe(false)
    expect(await stage.remote.kept.marks.get(BOT, ALICE, 'blocked')).toBeUndefined()
  })

  test.each(['local', 'closed'] as const)(
    'registration holds, and so does its removal (%s)',
    async (whenDown) => {
      const { stage, judge } = await standing(registered({ whenDown }))
      await stage.remote.kept.marks.put(BOT, 'registered', [{ key: BOB, mark: MARK }])
      await settled()
      await unwritten(stage, put('registered', ALICE))
      expect([await passes(judge, ALICE), await passes(judge, BOB)]).toEqual([true, true])
      await recovers(stage)
      await unwritten(stage, remove('registered', BOB))
      expect([await passes(judge, ALICE), await passes(judge, BOB)]).toEqual([true, false])
    },
  )

  test('revoking one of two roles leaves the other', async () => {
    const { stage, judge } = await standing(registered({ anyOf: ['role:owner', 'role:admin'] }))
    const { marks } = stage.remote.kept
    for (const [name, ...keys] of [
      ['role:owner', ALICE],
      ['role:admin', ALICE, BOB],
    ] as const) {
      await marks.put(
        BOT,
        name,
        keys.map((key) => ({ key, mark: MARK })),
      )
    }
    await settled()
    stage.remote.fault = 'hangs'
    const both = (async () => stage.storage.marks.remove(BOT, 'role:admin', [ALICE, BOB]))()
    const refused = expect(both).rejects.toMatchObject({ code: 'storage.unavailable' })
    await stage.pass(2100)
    await refused
    expect([await passes(judge, ALICE), await passes(judge, BOB)]).toEqual([true, false])
  })

  test('a granted role sets its limit, and exempts', async () => {
    const vip = { mark: 'role:vip', subject: 0, limit: { amount: 5, per: 60_000 } }
    const { stage, judge } = await standing(
      bucket(2, { variants: [vip], unless: { subject: 0, anyOf: ['role:staff'] } } as object),
    )
    await unwritten(stage, put('role:vip', ALICE))
    expect([await passed(judge, ALICE), await passed(judge, BOB)]).toEqual([5, 2])
    await recovers(stage)
    await unwritten(stage, put('role:staff', BOB))
    expect(await passed(judge, BOB)).toBe(9)
  })

  test('a granted role refuses nothing that only the storage may decide', async () => {
    const vip = { mark: 'role:vip', subject: 0, limit: { amount: 5, per: 60_000 } }
    const { stage, judge } = await standing(
      registered({ whenDown: 'closed' }),
      bucket(2, { variants: [vip] } as object),
    )
    await stage.remote.kept.marks.put(BOT, 'registered', [{ key: ALICE, mark: MARK }])
    await unwritten(stage, put('role:vip', ALICE))
    expect(await passed(judge, ALICE)).toBe(2)
  })

  test('limits with onFailure: open still limit users who were blocked or granted a role', async () => {
    const vip = { mark: 'role:vip', subject: 0, limit: { amount: 5, per: 60_000 } }
    const open = { whenDown: 'open' } as const
    const { stage, judge } = await standing(
      { ...blocked, ...open },
      bucket(2, { ...open, variants: [vip] } as object),
    )
    await unwritten(stage, put('blocked', ALICE))
    expect(await passed(judge, ALICE)).toBe(2)
    await recovers(stage)
    expect(await passed(judge, ALICE)).toBe(0)
    await unwritten(stage, put('role:vip', BOB))
    expect(await passed(judge, BOB)).toBe(2)
  })

  test('a block refuses nobody in shadow', async () => {
    const { stage, judge } = await standing({ ...blocked, shadow: true })
    await unwritten(stage, put('blocked', ALICE))
    expect(await passes(judge, ALICE)).toBe(true)
  })
})
